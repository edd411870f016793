"""Records as a data frame where pandas is installed, and as a dict of arrays where it is not."""

import numpy as np


def table(rows):
    """Columns of a list of records; None where a record has no such key, NaN in a column of numbers."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    arrays = {column: _column([row.get(column) for row in rows]) for column in columns}
    try:
        import pandas
    except ImportError:
        return arrays
    return pandas.DataFrame(arrays)


def _column(values):
    if any(isinstance(value, (str, list, dict)) for value in values):
        column = np.empty(len(values), object)
        column[:] = values
        return column
    if any(value is None for value in values):
        return np.array([np.nan if value is None else value for value in values], float)
    return np.array(values)
