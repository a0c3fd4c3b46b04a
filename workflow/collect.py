"""Write a CSV file with one row for each of the given records of a store.

python workflow/collect.py TABLE RECORD...
"""

import sys
from pathlib import Path

from unfolded.errors import UnfoldedError
from unfolded.runs import records, results_table


def main(table: Path, paths: list[Path]) -> int:
    """Write the table; return 1 after a one-line message if a file cannot be read or written."""
    try:
        rows = (records.load(path.parent).row() for path in paths)
        results_table.write(table, records.COLUMNS, rows)
    except UnfoldedError as error:
        print(f"unfolded: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), [Path(path) for path in sys.argv[2:]]))
