"""What a person meets: arguments, commands, exit codes and the window. It asks, ``core`` does."""
