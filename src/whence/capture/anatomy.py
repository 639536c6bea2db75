"""The parts of Python's own objects: names, cells, descriptors, classes; small questions, no walk."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from types import CellType, CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import Any

from whence.capture.noticing_natives import original_of
from whence.capture.packages import home_of_file
from whence.capture.syntax import codes_of_class

SLICE_PREFIX = "_whence_slice_"
MISSING = object()

_SCRIPT_MODULES = frozenset({"__main__", "__mp_main__"})


def name_of(value: Any) -> str:
    """Name a class or function as `module.qualname`."""
    module = getattr(value, "__module__", None) or "builtins"
    return f"{module}.{getattr(value, '__qualname__', type(value).__qualname__)}"


def name_as_written(function: FunctionType) -> str:
    """Name a function by where its code stands, whatever a decorator made it pretend."""
    return f"{function.__globals__.get('__name__')}.{function.__code__.co_qualname}"


def is_script_module(name: str) -> bool:
    """Tell whether a module's name says nothing: the script that runs, or a slice of one."""
    return name in _SCRIPT_MODULES or name.startswith(SLICE_PREFIX)


def module_label(name: str, file: str) -> str:
    """Name a module for people: a script by its file, because `__main__` says nothing."""
    if is_script_module(name) and file:
        return os.path.splitext(os.path.basename(file))[0]
    return name


def scope_label(scope: Mapping[str, Any]) -> str:
    """Name the module that a dictionary of globals belongs to."""
    return module_label(str(scope.get("__name__", "")), str(scope.get("__file__") or ""))


def label_of(value: Any) -> str:
    """Name a function or class of the user's for people, as `module.qualname`."""
    module = str(getattr(value, "__module__", None) or "")
    code = getattr(value, "__code__", None)
    if isinstance(code, CodeType):
        return f"{module_label(module, code.co_filename)}.{code.co_qualname}"
    return f"{module_label(module, file_of_class(value) or '')}.{value.__qualname__}"


def content_of(cell: CellType) -> Any:
    """Look into a closure cell; `MISSING` if nothing was put there yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def is_found_by_name(value: Any) -> bool:
    """Tell whether a function or class is what its own module and qualified name lead to."""
    found: Any = sys.modules.get(getattr(value, "__module__", None) or "")
    for part in getattr(value, "__qualname__", "?").split("."):
        found = original_of(getattr(found, part, MISSING))
    return found is value


def parts_of_attribute(value: Any) -> list[Any]:
    """Take apart what stands in a class: the functions of a property or static method, else itself."""
    if isinstance(value, staticmethod | classmethod):
        return [value.__func__]
    if isinstance(value, property):
        return [part for part in (value.fget, value.fset, value.fdel) if part is not None]
    inner = getattr(value, "func", None)
    return [inner] if isinstance(inner, FunctionType) and hasattr(value, "attrname") else [value]


def is_made_by_python(name: str, value: Any, kind: type) -> bool:
    """Tell whether an attribute was put into a class by Python or a decorator, not by its author."""
    if isinstance(value, FunctionType):  # put in by hand, it has a file of the user's
        file = value.__code__.co_filename
        return name.endswith("__") and (file.startswith("<") or home_of_file(file).owner != "user")
    if name.startswith("_abc_") or (name.startswith("_") and name.endswith("_")):
        return True
    if isinstance(value, MemberDescriptorType | GetSetDescriptorType | kind):
        return True
    return type(value).__name__ == "_tuplegetter"


def file_of_class(kind: type) -> str | None:
    """Find the file that a class was defined in, by its module or else its methods."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if isinstance(file, str):
        return file
    return next((code.co_filename for code in codes_of_class(kind)), None)


def functions_of_class(kind: type) -> list[FunctionType]:
    """List the functions that stand in a class."""
    parts = (part for value in vars(kind).values() for part in parts_of_attribute(value))
    return [part for part in parts if isinstance(part, FunctionType)]


def globals_of_class(kind: type) -> Mapping[str, Any]:
    """Find the globals that a class's methods see."""
    module = sys.modules.get(kind.__module__)
    if isinstance(module, ModuleType):
        return vars(module)
    return next((function.__globals__ for function in functions_of_class(kind)), {})


def cells_of(functions: list[FunctionType]) -> dict[str, CellType]:
    """Find the closure cells of functions, by name."""
    return {
        name: cell
        for function in functions
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    }


def fields_of(value: Any) -> dict[str, Any]:
    """List what an object holds, in its dictionary and its slots, in the order of names.

    What `functools.update_wrapper` copies (name, module, documentation) is left out.
    """
    fields = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in {"__dict__", "__weakref__"} and hasattr(value, name):
                fields[name] = getattr(value, name)
    names = sorted(str(name) for name in fields if name == "__wrapped__" or not str(name).startswith("__"))
    return {name: fields[name] for name in names}
