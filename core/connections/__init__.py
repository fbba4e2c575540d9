"""The only room with IEC 104 sockets: an I/O thread, and thin shells around links."""
