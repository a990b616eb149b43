"""A machine without the libraries of the application, as one with an accelerator may be."""

# The beginning of a program to which they are absent.
BARE = """
import sys
from importlib.machinery import PathFinder

class Absent(PathFinder):
    NAMES = {"mlflow", "optuna", "umap", "pydantic", "pooch", "openTSNE"}

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in cls.NAMES else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Absent
"""
