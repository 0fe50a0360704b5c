"""The terminal view. The only module that imports textual."""

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.widgets import Footer, Input, Static, Tree
from textual.widgets.tree import TreeNode
from textual.worker import get_current_worker

from kinspect.browse.details import Resources, details
from kinspect.browse.nodes import Node, matching, searched, tree, walk
from kinspect.model import Report, Severity
from kinspect.render.style import wrapped

#: how a node is marked that has findings; colours are not all that tells
MARKS = {
    Severity.ERROR: ("✗ ", "bold red"),
    Severity.WARNING: ("! ", "bold yellow"),
    Severity.NOTE: ("· ", "cyan"),
}
Read = Callable[[], Resources]


class Question(Input):
    """A line to type into, whose keys the footer tells."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Go"),
        Binding("escape", "app.tree", "Back"),
    ]


class Browser(App[None]):
    """A tree, and beside it (below it on 80 columns) what there is to say of a node."""

    TITLE = "kinspect"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012  # textual's
    CSS = """
    #body { layout: vertical; height: 1fr; }
    .-wide #body { layout: horizontal; }
    #tree { height: 3fr; width: 100%; }
    .-wide #tree { height: 100%; width: 1fr; }
    #pane { height: 2fr; border-top: solid $primary; padding: 0 1; }
    .-wide #pane { height: 100%; width: 1fr; border-top: none; }
    .-wide #pane { border-left: solid $primary; }
    #details { width: 100%; }
    #search { display: none; }
    #search.-shown { display: block; }
    #verdict { height: 1; background: $panel; padding: 0 1; text-style: bold; }
    #verdict.-fail { background: $error; color: $text; }
    #verdict.-unknown { background: $warning; color: $text; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("slash", "search", "Search"),
        Binding("n", "next", "Next"),
        Binding("N", "previous", "Previous"),
        Binding("f", "finding(False)", "Finding"),
        Binding("F", "finding(True)", "Finding before", show=False),
        Binding("g", "jump", "Go to bundle"),
        Binding("u", "up", "Up"),
        Binding("escape", "tree", "Tree", show=False),
    ]

    def __init__(self, report: Report, verdict: str, read: Read) -> None:
        super().__init__()
        self.roots = tree(report)
        self._verdict = verdict
        self._outcome = report.verdict
        self._read = read
        self._resources: Resources | None = None
        self._asked = False
        self._purpose = "search"
        self._wanted: Callable[[Node], bool] | None = None
        self._shown: dict[int, TreeNode[Node]] = {}

    def compose(self) -> ComposeResult:
        told = Text(self._verdict, no_wrap=True, overflow="ellipsis")
        yield Static(told, id="verdict", classes=f"-{self._outcome.value}")
        with Container(id="body"):
            yield Tree[Node]("", id="tree")
            with VerticalScroll(id="pane", can_focus=True):
                yield Static(id="details", markup=False)
        yield Question(id="search", select_on_focus=True)
        yield Footer()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A slash that is typed into a name asks for no search."""
        if action == "search" and isinstance(self.focused, Input):
            return False
        return super().check_action(action, parameters)

    def on_mount(self) -> None:
        view = self.tree_view
        view.show_root = False
        view.guide_depth = 2
        for root in self.roots:
            self._add(view.root, root)
            self._shown[id(root)].expand()
        view.root.expand()
        view.focus()
        if self.roots:
            self.call_after_refresh(self._go, self.roots[0])

    @property
    def tree_view(self) -> Tree[Node]:
        return self.query_one("#tree", Tree)

    @property
    def current(self) -> Node | None:
        """The node that the cursor is on."""
        line = self.tree_view.cursor_node
        return line.data if line else None

    # --- the tree -----------------------------------------------------------------

    def _add(self, parent: TreeNode[Node], node: Node) -> None:
        label = Text(node.label, no_wrap=True)
        if node.worst:
            label = Text.assemble(MARKS[node.worst], label)
        expands = node.kind != "kernel"
        self._shown[id(node)] = parent.add(label, data=node, allow_expand=expands)

    def _fill(self, line: TreeNode[Node]) -> None:
        """The children of a line, when it is opened for the first time."""
        if line.data is not None and not line.children:
            for child in line.data.children:
                self._add(line, child)

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[Node]) -> None:
        self._fill(event.node)

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[Node]) -> None:
        if event.node.data is not None:
            self._tell(event.node.data)

    def _tell(self, node: Node) -> None:
        if node.kind == "kernel" and not self._asked:
            self._asked = True
            self.read_resources()
        self._fit(node)
        self.query_one("#pane").scroll_home(animate=False)

    def _fit(self, node: Node) -> None:
        """The details of a node, as wide as there is room for them."""
        width = self.query_one("#pane").scrollable_content_region.width
        text = wrapped(details(node, self._resources), width) if width else ""
        shown = Text(text)
        for severity, (_, style) in MARKS.items():
            shown.highlight_regex(rf"(?m)^{severity.value}\[[\w-]+\]", style)
        self.query_one("#details", Static).update(shown)

    def on_resize(self) -> None:
        if self.current is not None:
            self.call_after_refresh(self._fit, self.current)

    def reveal(self, node: Node) -> None:
        """Open the tree as far as it takes, and go there."""
        for above in node.path[:-1]:
            line = self._shown[id(above)]
            self._fill(line)
            line.expand()
        self.call_after_refresh(self._go, node)

    def _go(self, node: Node) -> None:
        self._tell(node)
        self.tree_view.move_cursor(self._shown[id(node)], animate=False)

    # --- resources, read when the first kernel is looked at --------------------------

    @work(thread=True, exit_on_error=False)
    def read_resources(self) -> None:
        found = self._read()
        if not get_current_worker().is_cancelled:
            self.call_from_thread(self._have, found)

    def _have(self, found: Resources) -> None:
        self._resources = found
        if self.current is not None:
            self._tell(self.current)

    # --- search and jump --------------------------------------------------------------

    def action_search(self) -> None:
        self._ask("search: a name, or a part of it (kernels, targets, binaries)")

    def action_jump(self) -> None:
        self._ask("go to bundle: its number in this binary", "jump")

    def _ask(self, placeholder: str, purpose: str = "search") -> None:
        line = self.query_one("#search", Input)
        line.placeholder = placeholder
        self._purpose = purpose
        line.value = ""
        line.add_class("-shown")
        line.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.action_tree()
        if not event.value:
            return
        if self._purpose == "jump":
            self._jump(event.value.strip())
        else:
            self._wanted = searched(event.value)
            self._find(self._wanted, f"nothing is called {event.value!r}", back=False)

    def _jump(self, number: str) -> None:
        here = self.current
        binary = next((n for n in here.path if n.kind == "binary"), None) if here else None
        for node in walk((binary,) if binary else self.roots):
            if node.kind == "bundle" and node.words == f"bundle {number}":
                self.reveal(node)
                return
        self.notify(f"no bundle {number} here", severity="warning")

    def action_tree(self) -> None:
        self.query_one("#search", Input).remove_class("-shown")
        self.tree_view.focus()

    def action_next(self) -> None:
        self._again(back=False)

    def action_previous(self) -> None:
        self._again(back=True)

    def _again(self, *, back: bool) -> None:
        if self._wanted is None:
            self.action_search()
        else:
            self._find(self._wanted, "nothing else is called so", back=back)

    def action_finding(self, back: bool) -> None:  # noqa: FBT001  # textual's signature
        self._find(lambda node: bool(node.own), "no findings", back=back)

    def action_up(self) -> None:
        if self.current is not None and self.current.parent is not None:
            self.reveal(self.current.parent)

    def _find(self, wanted: Callable[[Node], bool], otherwise: str, *, back: bool) -> None:
        found = matching(self.roots, wanted, self.current, back=back)
        if found is None or found is self.current:
            self.notify(otherwise, severity="warning")
        else:
            self.reveal(found)
