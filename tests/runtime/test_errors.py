"""The tree of errors in the module's docstring is the tree of errors."""

import inspect

from runtime import errors


def test_every_error_is_drawn_in_the_tree_with_its_second_parent():
    classes = [item for _, item in inspect.getmembers(errors, inspect.isclass)]
    leaves = [item for item in classes if item is not errors.FunctionError]
    assert len(leaves) == 6
    for leaf in leaves:
        assert issubclass(leaf, errors.FunctionError)
        assert f"── {leaf.__name__} " in errors.__doc__
        assert f"({leaf.__bases__[-1].__name__})" in errors.__doc__.split(leaf.__name__)[1].splitlines()[0]
