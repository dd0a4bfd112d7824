"""How the documentation is built: ``sphinx-build -W -n docs docs/_build/html``. It needs no network."""

import importlib
import pkgutil
import zlib
from importlib.metadata import version as installed_version
from pathlib import Path

from docutils.nodes import Element, TextElement
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.pycode import ModuleAnalyzer

HERE = Path(__file__).parent
HOMES = {
    "python": "https://docs.python.org/3",
    "anyio": "https://anyio.readthedocs.io/en/stable",
    "trio": "https://trio.readthedocs.io/en/stable",
}


def write_inventories(source: Path, target: Path) -> dict[str, tuple[str, str]]:
    """Write each project's inventory in Sphinx's format, and return the mapping for intersphinx."""
    rows: dict[str, list[str]] = {}
    for line in source.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            project, kind, name, page = line.split()
            rows.setdefault(project, []).append(f"{name} {kind} 1 {page}#$ -\n")
    target.mkdir(parents=True, exist_ok=True)
    mapping: dict[str, tuple[str, str]] = {}
    for project, entries in rows.items():
        head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
        head += "# The remainder of this file is compressed using zlib.\n"
        path = target / f"{project}.inv"
        path.write_bytes(head.encode() + zlib.compress("".join(sorted(entries)).encode()))
        mapping[project] = (HOMES[project], str(path))
    return mapping


project = "turnkeeper-trio"
version = release = installed_version(project)
copyright = "the turnkeeper-trio developers"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinxcontrib_trio",
]
exclude_patterns = ["_build", "_inventories", "_tools"]
intersphinx_mapping = write_inventories(HERE / "_inventories" / "names.txt", HERE / "_build" / "inventories")

default_role = "py:obj"  # what docstrings put between single backticks exists, or the build fails
nitpicky = True
nitpick_ignore = [
    ("py:class", "pendulum.datetime.DateTime"),  # pendulum publishes no inventory
    ("py:class", "pendulum.DateTime"),
    ("py:class", "os.PathLike"),  # the vendored inventory has no class of this module
    ("py:class", "P"),  # the parameters and the result of a function that a decorator returns as it is
    ("py:class", "turnkeeper_trio.jobs.job_set.R"),
    ("py:class", "turnkeeper_trio._runtime.run_context.T"),  # what the work of a transaction returns
    ("py:class", "turnkeeper_trio.stores.sqlite.T"),
    ("py:class", "turnkeeper_trio.jobs._options.JobChanges"),  # for type checkers: what a request may be given
    ("py:class", "turnkeeper_trio.jobs._options.JobOptions"),
    ("py:class", "turnkeeper_trio.jobs._options.RequestFields"),
    ("py:class", "_Ts"),  # likewise of `turnkeeper_trio.testing.run`
    ("py:class", "turnkeeper_trio.testing._run._T"),
]

autodoc_member_order = "bysource"
autodoc_default_options = {
    # How the library itself asks schedules and durations, in microseconds: no promise to users.
    "exclude-members": "node, by_days, next_after_us, count_between_us, count_upto_us, latest_us, anchored_us, "
    "next_within_us, not_before_us, most_steps, "
    "first_us, delay_us, after_us, labels, every_pass, next_label, count_labels, kind, timeout_us, cleanup_grace_us, "
    "stuck_after_us, start_deadline_us, until_us, jitter_us, with_traceback, add_note, args",
}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
add_module_names = False
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
# The docstring of an attribute is prose: napoleon would take what stands before its first colon for a type.
GoogleDocstring._parse_attribute_docstring = lambda self: self._consume_to_end()  # noqa: SLF001
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"turnkeeper-trio {release}"


PLACES = (
    "turnkeeper_trio",
    "turnkeeper_trio.schedules",
    "turnkeeper_trio.schedules._base",
    "turnkeeper_trio.schedules._base.BuiltinSchedule",  # its methods are those of every schedule
    "turnkeeper_trio.abc",
    "turnkeeper_trio.errors",
    "turnkeeper_trio.events",
    "turnkeeper_trio.jobs",
    "turnkeeper_trio.retries",
    "turnkeeper_trio.simulation",
    "turnkeeper_trio.verdicts",
    "turnkeeper_trio.testing",
    "turnkeeper_trio.Scheduler",  # what blocks in a thread is described there
)


def look_in_package(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: TextElement) -> Element | None:
    """Find a public name by itself: a docstring does not know from where its name is imported."""
    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"]
    if "._" in name:  # where it is defined is not a promise
        name = name.rpartition(".")[2]
    domain = env.domains.python_domain
    for place in PLACES:
        found = domain.resolve_xref(env, node["refdoc"], app.builder, "obj", f"{place}.{name}", node, text)
        if found is not None:
            return found
    return None


def show_attributes(_app: Sphinx) -> None:
    """Let autodoc find the docstrings of attributes: it looks for them in the module that a class says it is from.

    Public classes say that they are from the package, as they are imported from there; they are written elsewhere.
    """
    package = importlib.import_module("turnkeeper_trio")
    shown = ModuleAnalyzer.for_module(package.__name__)
    shown.analyze()
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        written = ModuleAnalyzer.for_module(module.name)
        written.analyze()
        public = {name for name in written.tagorder if name in package.__all__}
        shown.attr_docs.update({key: lines for key, lines in written.attr_docs.items() if key[0] in public})
        shown.annotations.update({key: text for key, text in written.annotations.items() if key[0] in public})
        shown.tagorder.update({n: at for n, at in written.tagorder.items() if n.partition(".")[0] in public})


def setup(app: Sphinx) -> None:
    """Connect what is above."""
    app.connect("builder-inited", show_attributes)
    app.connect("missing-reference", look_in_package)
