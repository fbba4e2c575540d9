"""Colours, fonts, sizes and symbols: one place, two palettes, everything scaled by `px`."""

import contextlib
import ctypes
import sys
import tkinter as tk
from collections.abc import Callable, Mapping
from tkinter import font as tkfont
from tkinter import ttk
from typing import Any, Final

from app import symbols

LIGHT: Final[Mapping[str, str]] = {
    "window": "#eef1f4", "surface": "#ffffff", "zebra": "#f6f8fa", "strip": "#e4e8ed",
    "group": "#e9edf2", "border": "#c9d1d9", "text": "#1c2127", "muted": "#59636e",
    "accent": "#0b63c5", "on_accent": "#ffffff", "selection": "#cfe2f8",
    "editable": "#fffbd1", "editable_border": "#cdb94a", "bad": "#ffe3dc",
    "online": "#08704c", "warning": "#8f5200", "error": "#b52d08", "held": "#5a4fcf",
    "off": "#7a8490", "idle": "#59636e", "warning_row": "#fff4e0", "error_row": "#fdeae4",
    "match": "#ffe27a", "current_match": "#ffb84d", "in": "#0b63c5", "out": "#b3541e",
    "curve": "#d6e6f8", "tip": "#fffde8", "tip_border": "#cdb94a", "hover": "#e7edf4",
    "disabled": "#dde2e7", "trough": "#eef1f4", "thumb": "#c3cad2",
}  # fmt: skip
DARK: Final[Mapping[str, str]] = {
    "window": "#1f2329", "surface": "#171a1f", "zebra": "#1b1f24", "strip": "#2a3038",
    "group": "#232930", "border": "#3a424c", "text": "#e4e7eb", "muted": "#9aa4af",
    "accent": "#2472c8", "on_accent": "#ffffff", "selection": "#264a73",
    "editable": "#39350f", "editable_border": "#8a7b2a", "bad": "#4a2018",
    "online": "#3ccf9b", "warning": "#f0b03c", "error": "#ff8059", "held": "#a79bff",
    "off": "#8a949f", "idle": "#9aa4af", "warning_row": "#332a14", "error_row": "#3a211a",
    "match": "#7a6412", "current_match": "#a8741a", "in": "#6cb3ff", "out": "#ffa46b",
    "curve": "#22405f", "tip": "#2a2f36", "tip_border": "#59636e", "hover": "#343b44",
    "disabled": "#2a3038", "trough": "#1f2329", "thumb": "#48515c",
}  # fmt: skip
PALETTES: Final = {"light": LIGHT, "dark": DARK}

_INKS: Final[Mapping[str, tuple[str, str]]] = {
    "online": ("online", "surface"), "connecting": ("warning", "surface"),
    "listening": ("off", "surface"), "ready": ("online", "surface"), "held": ("held", "surface"),
    "refused": ("error", "surface"), "off": ("off", "surface"), "warning": ("warning", "surface"),
    "group-up": ("online", "surface"), "group-partly": ("warning", "surface"),
    "group-down": ("error", "surface"), "in": ("in", "surface"), "out": ("out", "surface"),
    "unchecked": ("muted", "surface"), "checked": ("accent", "on_accent"),
    "down": ("muted", "surface"), "right": ("muted", "surface"),
}  # fmt: skip

_UI_FONTS: Final = ("Inter", "Noto Sans", "Cantarell", "Ubuntu", "DejaVu Sans")
_FIXED_FONTS: Final = (
    "Cascadia Mono", "Consolas", "Noto Sans Mono", "DejaVu Sans Mono", "Liberation Mono",
)  # fmt: skip
_NAMED: Final = (
    "TkDefaultFont", "TkTextFont", "TkHeadingFont", "TkMenuFont", "TkCaptionFont",
    "TkSmallCaptionFont", "TkIconFont", "TkTooltipFont",
)  # fmt: skip
SMALLEST_TEXT: Final = -3
LARGEST_TEXT: Final = 8


def prepare_process() -> None:
    """Ask Windows for real pixels; before the first `Tk()`."""
    if sys.platform == "win32":
        with contextlib.suppress(AttributeError, OSError):
            ctypes.windll.shcore.SetProcessDpiAwareness(1)
            return
        with contextlib.suppress(AttributeError, OSError):
            ctypes.windll.user32.SetProcessDPIAware()


def desktop_dpi() -> float | None:
    """What a Linux desktop publishes as its scale, which Tk 8.6 does not use; None elsewhere."""
    if sys.platform in ("win32", "darwin"):
        return None
    asked = tk.Tk(className="Xft")
    try:
        asked.withdraw()
        found = asked.tk.call("option", "get", ".", "dpi", "Dpi")
        return float(found or 0) or None
    except ValueError:
        return None
    finally:
        asked.destroy()


class Theme:
    """The look of one window; `apply` again after a change of palette or text size."""

    def __init__(
        self, root: tk.Tk, palette: str = "light", text_size: int = 0,
        scale: float | None = None, dpi: float | None = None,
    ) -> None:  # fmt: skip
        self._root = root
        self.palette = palette if palette in PALETTES else "light"
        self.text_size = max(SMALLEST_TEXT, min(LARGEST_TEXT, text_size))
        found = (dpi or root.winfo_fpixels("1i")) / 96
        self.scale = scale or max(1.0, round(found * 4) / 4)
        root.tk.call("tk", "scaling", self.scale * 96 / 72)
        self.style = ttk.Style(root)
        self.style.theme_use("clam")
        self._images: dict[str, tk.PhotoImage] = {}
        self.listeners: list[Callable[[], None]] = []
        """Told after each change: who has colours or sizes that no style reaches."""
        self._drawn = ""
        self._make_fonts()
        self._draw_symbols()
        self._make_elements()
        self.apply()

    def px(self, n: float) -> int:
        """So many pixels at 96 dpi."""
        return round(n * self.scale)

    def __getitem__(self, role: str) -> str:
        """The colour of a role in the present palette."""
        return PALETTES[self.palette][role]

    def image(self, name: str) -> tk.PhotoImage:
        """A symbol; the same object after a change of palette."""
        return self._images[name]

    def apply(self) -> None:
        """Put palette and text size into force."""
        self._size_fonts()
        self._draw_symbols()
        self._style_base()
        self._style_parts()
        self._root.configure(background=self["window"])
        self._options()
        for listener in self.listeners:
            listener()

    def choose(self, palette: str, text_size: int) -> bool:
        """Another palette or text size; whether the text has another size now."""
        before = self.text_size
        self.palette = palette
        self.text_size = max(SMALLEST_TEXT, min(LARGEST_TEXT, text_size))
        self.apply()
        return self.text_size != before

    @property
    def line_height(self) -> int:
        """Pixels of a line of ordinary text."""
        return int(self.default.metrics("linespace"))

    # Fonts

    def _make_fonts(self) -> None:
        root = self._root
        families = set(tkfont.families(root))
        self.default = tkfont.nametofont("TkDefaultFont", root)
        if sys.platform == "win32":
            ui = "Segoe UI"
        else:
            ui = next((f for f in _UI_FONTS if f in families), self.default.actual("family"))
        fixed = next((f for f in _FIXED_FONTS if f in families), "")
        for name in _NAMED:
            tkfont.nametofont(name, root).configure(family=ui, weight="normal", slant="roman")
        tkfont.nametofont("TkHeadingFont", root).configure(weight="bold")
        self.fixed = tkfont.nametofont("TkFixedFont", root)
        if fixed:
            self.fixed.configure(family=fixed)
        self.bold = tkfont.Font(root, name="GatewayBold", family=ui, weight="bold")
        self.small = tkfont.Font(root, name="GatewaySmall", family=ui)
        self.big = tkfont.Font(root, name="GatewayBig", family=ui, weight="bold")

    def _size_fonts(self) -> None:
        size = 9 + self.text_size
        for name in _NAMED:
            tkfont.nametofont(name, self._root).configure(size=size)
        self.fixed.configure(size=size)
        self.bold.configure(size=size)
        self.small.configure(size=size - 1)
        self.big.configure(size=size + 3)

    # Symbols

    def _draw_symbols(self) -> None:
        if self._drawn == self.palette:
            return
        self._drawn = self.palette
        for name, (ink, on_ink) in _INKS.items():
            size = self.px(14)
            data = symbols.png(name, size, self[ink], self[on_ink])
            if name in self._images:
                self._images[name].configure(data=data)
            else:
                self._images[name] = tk.PhotoImage(
                    master=self._root, data=data, width=size, height=size
                )

    def _make_elements(self) -> None:
        style: Any = self.style  # layouts are nested deeper than the types of ttk go
        style.element_create(
            "Gateway.check", "image", self.image("unchecked"),
            ("selected", self.image("checked")), sticky="w", width=self.px(20),
        )  # fmt: skip
        style.layout(
            "TCheckbutton",
            [("Checkbutton.padding", {"sticky": "nswe", "children": [
                ("Gateway.check", {"side": "left", "sticky": ""}),
                ("Checkbutton.focus", {"side": "left", "sticky": "w", "children": [
                    ("Checkbutton.label", {"sticky": "nswe"})]})]})],
        )  # fmt: skip
        style.element_create(
            "Gateway.fold", "image", self.image("right"),
            ("user1", "!user2", self.image("down")), ("user2", self._blank()),
            sticky="w", padding=self.px(1),
        )  # fmt: skip
        style.layout(
            "Treeview.Item",
            [("Treeitem.padding", {"sticky": "nswe", "children": [
                ("Gateway.fold", {"side": "left", "sticky": ""}),
                ("Treeitem.image", {"side": "left", "sticky": ""}),
                ("Treeitem.text", {"side": "left", "sticky": ""})]})],
        )  # fmt: skip
        style.layout("Treeview", [("Treeview.treearea", {"sticky": "nswe"})])
        for way, side in (("Vertical", "ns"), ("Horizontal", "we")):
            style.layout(
                f"{way}.TScrollbar",
                [(f"{way}.Scrollbar.trough", {"sticky": side, "children": [
                    (f"{way}.Scrollbar.thumb", {"expand": "1", "sticky": "nswe"})]})],
            )  # fmt: skip

    def _blank(self) -> tk.PhotoImage:
        size = self.px(14)
        self._images["blank"] = tk.PhotoImage(master=self._root, width=size, height=size)
        return self._images["blank"]

    # Styles

    def _style_base(self) -> None:
        px, style = self.px, self.style
        style.configure(
            ".", background=self["window"], foreground=self["text"], bordercolor=self["border"],
            lightcolor=self["window"], darkcolor=self["window"], troughcolor=self["trough"],
            focuscolor=self["accent"], selectbackground=self["selection"],
            selectforeground=self["text"], insertcolor=self["text"],
            fieldbackground=self["surface"], font="TkDefaultFont",
        )  # fmt: skip
        style.map(".", foreground=[("disabled", self["off"])])
        style.configure("TButton", padding=(px(10), px(3)), anchor="center", width=0,
                        background=self["surface"], lightcolor=self["surface"],
                        darkcolor=self["surface"], bordercolor=self["border"])  # fmt: skip
        style.map(
            "TButton",
            background=[("disabled", self["window"]), ("pressed", self["selection"]),
                        ("active", self["hover"])],
            lightcolor=[("focus", self["accent"]), ("active", self["hover"])],
            darkcolor=[("focus", self["accent"]), ("active", self["hover"])],
            bordercolor=[("focus", self["accent"])],
        )  # fmt: skip
        for name, role, on in (("Accent.TButton", "accent", "on_accent"),):
            style.configure(name, background=self[role], foreground=self[on], font="GatewayBold",
                            lightcolor=self[role], darkcolor=self[role],
                            bordercolor=self[role])  # fmt: skip
            style.map(
                name,
                background=[("disabled", self["disabled"]), ("active", self[role])],
                foreground=[("disabled", self["off"])],
                lightcolor=[("disabled", self["disabled"]), ("focus", self["text"])],
                darkcolor=[("disabled", self["disabled"]), ("focus", self["text"])],
                bordercolor=[("disabled", self["disabled"]), ("focus", self["text"])],
            )
        style.configure("State.TButton", background=self["surface"], bordercolor=self["surface"],
                        lightcolor=self["surface"], darkcolor=self["surface"])  # fmt: skip
        style.map("State.TButton", background=[("active", self["hover"])])
        style.configure("Flat.TButton", padding=(px(4), px(1)), background=self["window"],
                        bordercolor=self["window"], lightcolor=self["window"],
                        darkcolor=self["window"])  # fmt: skip
        for name, role in (("TCheckbutton", "window"), ("Surface.TCheckbutton", "surface")):
            style.configure(name, background=self[role], padding=(px(2), px(2)))
            style.map(name, background=[("active", self[role])],
                      indicatorbackground=[])  # fmt: skip
        self._style_fields()

    def _style_fields(self) -> None:
        px, style = self.px, self.style
        pad = (px(6), px(4))
        for name, ground, border in (
            ("TEntry", "surface", "border"),
            ("Editable.TEntry", "editable", "editable_border"),
            ("Bad.TEntry", "bad", "error"),
            ("Wrong.TEntry", "surface", "error"),
            ("None.TEntry", "window", "border"),
            ("TCombobox", "surface", "border"),
        ):
            focus = border if border == "error" else "accent"
            style.configure(name, padding=pad, fieldbackground=self[ground],
                            foreground=self["text"], bordercolor=self[border],
                            lightcolor=self[ground if border != "error" else "error"],
                            darkcolor=self[ground if border != "error" else "error"],
                            insertcolor=self["text"])  # fmt: skip
            style.map(
                name,
                fieldbackground=[("readonly", self[ground]), ("disabled", self["window"])],
                foreground=[("disabled", self["muted"]), ("readonly", self["text"])],
                bordercolor=[("focus", self[focus])],
                lightcolor=[("focus", self[focus])],
                darkcolor=[("focus", self[focus])],
            )
        style.map("None.TEntry", foreground=[("readonly", self["muted"])])
        style.configure("TCombobox", arrowcolor=self["muted"], background=self["surface"],
                        arrowsize=px(12))  # fmt: skip
        style.map("TCombobox", background=[("active", self["hover"])],
                  arrowcolor=[("active", self["text"])],
                  selectbackground=[("readonly", self["surface"])],
                  selectforeground=[("readonly", self["text"])])  # fmt: skip

    def _style_parts(self) -> None:
        px, style = self.px, self.style
        for prefix, ground in (("", "window"), ("Strip.", "strip"), ("Surface.", "surface"),
                               ("Ask.", "warning_row")):  # fmt: skip
            style.configure(f"{prefix}TFrame", background=self[ground])
            style.configure(f"{prefix}TLabel", background=self[ground], foreground=self["text"])
            style.configure(f"{prefix}Muted.TLabel", background=self[ground],
                            foreground=self["muted"])  # fmt: skip
            style.configure(f"{prefix}Small.TLabel", background=self[ground],
                            foreground=self["muted"], font="GatewaySmall")  # fmt: skip
            style.configure(f"{prefix}Bold.TLabel", background=self[ground], font="GatewayBold")
            style.configure(f"{prefix}Big.TLabel", background=self[ground], font="GatewayBig")
            style.configure(f"{prefix}Error.TLabel", background=self[ground],
                            foreground=self["error"])  # fmt: skip
        style.configure("TNotebook", background=self["window"], bordercolor=self["border"],
                        tabmargins=(px(8), px(6), 0, 0), padding=0)  # fmt: skip
        style.configure("TNotebook.Tab", padding=(px(14), px(5)), background=self["window"],
                        foreground=self["muted"], bordercolor=self["window"],
                        lightcolor=self["window"])  # fmt: skip
        style.map(
            "TNotebook.Tab",
            background=[("selected", self["surface"]), ("active", self["hover"])],
            foreground=[("selected", self["text"]), ("active", self["text"])],
            lightcolor=[("selected", self["surface"])],
            bordercolor=[("selected", self["accent"])],
            padding=[("selected", (px(14), px(5)))],
            expand=[("selected", (0, 0, 0, 0))],
        )
        style.configure("Treeview", background=self["surface"], fieldbackground=self["surface"],
                        foreground=self["text"], borderwidth=0, indent=px(18),
                        rowheight=self.line_height + px(8))  # fmt: skip
        style.map("Treeview", background=[("selected", self["selection"])],
                  foreground=[("selected", self["text"])])  # fmt: skip
        style.configure("Treeview.Item", padding=(px(2), 0))
        # ttk itself adds 4 pixels at any scale.
        style.configure("Treeview.Cell", padding=(px(4) - 4, 0))
        style.configure("Treeview.Heading", background=self["strip"], foreground=self["muted"],
                        relief="flat", padding=(px(4), px(5)), borderwidth=0,
                        lightcolor=self["strip"], darkcolor=self["strip"],
                        bordercolor=self["strip"], font="TkHeadingFont")  # fmt: skip
        style.map("Treeview.Heading", background=[("active", self["hover"])],
                  foreground=[("active", self["text"])])  # fmt: skip
        for way in ("Vertical", "Horizontal"):
            style.configure(f"{way}.TScrollbar", background=self["thumb"], width=px(10),
                            arrowsize=px(10), troughcolor=self["trough"], relief="flat",
                            gripcount=0, bordercolor=self["trough"], lightcolor=self["thumb"],
                            darkcolor=self["thumb"])  # fmt: skip
            style.map(f"{way}.TScrollbar", background=[("disabled", self["trough"]),
                                                       ("active", self["muted"])],
                      lightcolor=[("disabled", self["trough"])],
                      darkcolor=[("disabled", self["trough"])])  # fmt: skip
        style.configure("TPanedwindow", background=self["window"])
        style.configure("Sash", sashthickness=px(6), gripcount=0, background=self["window"],
                        lightcolor=self["window"], bordercolor=self["window"])  # fmt: skip
        style.configure("TSeparator", background=self["border"])

    def _options(self) -> None:
        """What ttk does not reach: menus and the lists of choosers that are made later."""
        for pattern, value in (
            ("*TCombobox*Listbox.background", self["surface"]),
            ("*TCombobox*Listbox.foreground", self["text"]),
            ("*TCombobox*Listbox.selectBackground", self["selection"]),
            ("*TCombobox*Listbox.selectForeground", self["text"]),
            ("*TCombobox*Listbox.font", "TkDefaultFont"),
            ("*TCombobox*Listbox.borderWidth", "0"),
        ):
            self._root.option_add(pattern, value, "interactive")

    def menu(self, menu: tk.Menu) -> None:
        """Colour a menu."""
        menu.configure(
            background=self["surface"], foreground=self["text"], font="TkMenuFont",
            activebackground=self["selection"], activeforeground=self["text"],
            disabledforeground=self["off"], selectcolor=self["text"], borderwidth=1,
            activeborderwidth=self.px(2), relief="raised", tearoff=False,
        )  # fmt: skip

    def dark_title_bar(self) -> None:
        """Let Windows draw the title bar in the palette."""
        if sys.platform != "win32":
            return
        with contextlib.suppress(AttributeError, OSError, tk.TclError):
            handle = ctypes.windll.user32.GetParent(self._root.winfo_id())
            value = ctypes.c_int(self.palette == "dark")
            for attribute in (20, 19):
                done = ctypes.windll.dwmapi.DwmSetWindowAttribute(
                    handle, attribute, ctypes.byref(value), ctypes.sizeof(value)
                )
                if done == 0:
                    return
