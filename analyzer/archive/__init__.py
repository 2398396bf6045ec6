"""Archives: many captures, analyzed by local processes or a Dask cluster, into a dataset of Parquet files.

What this folder needs beyond the package's own dependencies is the extra `archive`.
"""

from importlib.util import find_spec

from analyzer.errors import UsageError


def need(*modules: str) -> None:
    """Raise UsageError where a library of the extra is not installed."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        how = "pip install 'mtlscope[archive]', in a checkout scripts/setup archive"
        raise UsageError(f"archives need {' and '.join(missing)}: {how}")
