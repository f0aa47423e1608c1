"""Your own graph: an edge list, with or without features, checked as it is read.

Nothing is unpickled, and what is wrong with a file is said with its row.
"""

import re
import warnings
from collections.abc import Callable, Mapping
from io import StringIO
from itertools import dropwhile, filterfalse
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from pydantic import Field, model_validator

from neglink.datasets.readers.base import RawGraph
from neglink.datasets.readers.matrix_market import read_coordinates
from neglink.errors import DataError
from neglink.files import sha256
from neglink.graph import Cleaning, Graph
from neglink.graph.keys import keys_of
from neglink.registry import LATER, component, telling_settings

if TYPE_CHECKING:  # pandas takes long to import, and most users of this module read no table
    import pandas as pd

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": r"\s+", ".edges": r"\s+"}
"""What stands between the columns, by suffix."""

SEPARATED = ".csv by commas, .tsv by tabs, .txt and .edges by spaces or tabs"
"""The same in words."""

OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas", " ": "spaces"}
"""What may stand between the columns of a file whose suffix says something else."""

FORMATS = (*SEPARATORS, ".mtx", ".npz")

FEATURE_FORMATS = (*SEPARATORS, ".npy", ".npz")

KEY = "data.custom.<name>"
"""Where params.yaml has the settings of a graph, which does not know its own name."""

SIDES = ("valid", "test")
"""Settings that name files of links to be held out."""

NEGATIVES = ("valid_negatives", "test_negatives")
"""Settings that name files of what they are ranked against, side by side."""

FILES = ("links", "features", *SIDES, *NEGATIVES)
"""Settings that name files."""

SPARSEST = 1000
"""Largest ratio of the greatest integer id to the number of ids; beyond, they are names."""

FEW_NODES = 1_000_000
"""So many nodes cost little, even if most of them have no link."""

MOST_NODES = 100_000_000
"""Rows or columns of a matrix, and nodes that a setting may ask for."""

LONGEST_ID = 1000
"""Letters of an id. Ids of a column take as much memory each as the longest."""

INTEGER = r"[+-]?[0-9]{1,18}"


@component
class Custom:
    """A graph from files of your own.

    `links` is a table of two columns (.csv, .tsv, .txt or .edges; lines that begin with # or %
    are comments), a Matrix Market coordinate list (.mtx) or an .npz file: either a sparse matrix
    by scipy.sparse.save_npz, or one array of pairs, [2, rows] or [rows, 2], called `links` where
    there are several. Directions, repetitions and self-loops are dropped and counted.

    A division of your own is two more such files, `valid` and `test`, and is used by
    `split: {kind: official}`. `links` may hold their links too; what is left is trained on.
    """

    links: Path
    """File of the links."""
    features: Path | None = None
    """File of node features, a row per node: .npz by scipy.sparse.save_npz, .npy, .csv or .tsv."""
    header: bool | None = None
    """Whether the first line of a table names its columns; None looks whether it holds numbers."""
    columns: tuple[int | str, int | str] = (0, 1)
    """The two columns with the ends of a link: positions from 0, or names from the header."""
    ids: Literal["integer", "any"] = "integer"
    """integer: ids are row numbers of the features. any: ids are names, kept in the graph; node
    numbers follow their sorted order, and the first column of a features table is the name."""
    first_id: Literal[0, 1] = 0
    """The id of the first node, for integer ids in a table or array; .mtx always starts at 1."""
    nodes: Annotated[int, Field(ge=2, le=MOST_NODES)] | None = None
    """Number of nodes; None takes the rows of the features, else the greatest id."""
    valid: Annotated[Path | None, LATER] = None
    """File of the validation links, each once."""
    test: Annotated[Path | None, LATER] = None
    """File of the test links, each once."""
    valid_negatives: Annotated[Path | None, LATER] = None
    """File of the pairs that validation links are ranked against where `evaluation` is
    `{kind: official}`."""
    test_negatives: Annotated[Path | None, LATER] = None
    """File of the pairs that test links are ranked against."""
    negatives_per_link: Annotated[int | None, Field(ge=1), LATER] = None
    """None: every link of a side is ranked against all negatives of the side. A number c: against
    c of its own, the rows c · i to c · i + c − 1 for row i, from 0, of `valid` or `test`; each
    keeps one of the link's nodes."""

    @model_validator(mode="after")
    def _both_sides(self) -> "Custom":
        for one, needed in (
            ("valid", "test"),
            ("test", "valid"),
            ("valid_negatives", "test_negatives"),
            ("test_negatives", "valid_negatives"),
            ("valid_negatives", "valid"),
            ("negatives_per_link", "valid_negatives"),
        ):
            if getattr(self, one) is not None and getattr(self, needed) is None:
                raise ValueError(f"{one} needs {needed} as well: give both, or leave {one} out")
        return self

    @model_validator(mode="after")
    def _readable(self) -> "Custom":
        for role, path in self.files().items():
            formats: tuple[str, ...] = FEATURE_FORMATS if role == "features" else FORMATS
            if path.suffix not in formats:
                raise ValueError(
                    f"{role}: unknown format {path.suffix!r}; allowed: {', '.join(formats)}"
                )
            if self.ids == "any" and path.suffix not in SEPARATORS:
                raise ValueError(
                    f"{role}: {path.suffix} files hold no names; ids: any needs a table "
                    f"({', '.join(SEPARATORS)})"
                )
        if self.columns[0] == self.columns[1]:
            raise ValueError(f"columns: {self.columns[0]!r} twice; the two ends of a link are two "
                             "columns")  # fmt: skip
        if self.ids == "any" and self.header is None:
            raise ValueError(
                "header: say true or false; with ids: any the first line cannot be told from a "
                "header"
            )
        if self.ids == "any" and (self.nodes or self.first_id):
            raise ValueError("ids: any counts the names: leave nodes and first_id out")
        return self

    def build(self) -> tuple[Graph, Cleaning]:
        """The clean graph, and what cleaning dropped.

        Raises:
            DataError: a file is missing, not of its format, or holds what a graph cannot.
        """
        for role, path in self.files().items():
            _require(path, role)
        try:
            raw = self._named() if self.ids == "any" else self._numbered()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self.links}: cannot be read ({error})") from None
        if raw.pairs.shape[1] == 0:
            raise DataError(f"{self.links}: holds no links")
        graph, cleaning = raw.graph()
        if graph.m == 0:
            raise DataError(
                f"{self.links}: all {cleaning.rows} rows are self-loops; no link is left"
            )
        return graph, cleaning

    def identity(self) -> dict[str, Any]:
        """Settings without folders, and the SHA-256 of each file.

        Raises:
            DataError: a file is missing.
        """
        files = self.files()
        settings = {k: v for k, v in telling_settings(self).items() if k not in FILES}
        hashes = {path.name: sha256(_require(path, role)) for role, path in files.items()}
        sides = {role: path.name for role, path in files.items() if role in (*SIDES, *NEGATIVES)}
        return {"settings": settings, "files": hashes} | ({"sides": sides} if sides else {})

    def files(self) -> dict[str, Path]:
        """The files by the settings that name them."""
        named = {role: getattr(self, role) for role in FILES}
        return {role: path for role, path in named.items() if path is not None}

    def _pair_files(self) -> dict[str, Path]:
        return {role: path for role, path in self.files().items() if role != "features"}

    def _numbered(self) -> RawGraph:
        features = None if self.features is None else _read_features(self.features, self.header)
        read = {role: self._read_pairs(path) for role, path in self._pair_files().items()}
        pairs = {role: found for role, (found, _) in read.items()}
        square = max((rows for _, rows in read.values() if rows), default=None)
        return self._raw(self._count(pairs, square, features), pairs, features)

    def _read_pairs(self, path: Path) -> tuple[NDArray[np.int64], int | None]:
        """Pairs [2, rows] of numbers from 0, and the number of nodes where the file says it."""
        if path.suffix == ".mtx":
            try:
                listed = read_coordinates(path)
            except (ValueError, OverflowError) as error:  # text that is none, or endless numbers
                raise DataError(f"{path}: cannot be read ({error})") from None
            return listed.pairs, listed.n
        if path.suffix == ".npz":
            pairs, square = _read_npz(path)
        else:
            pairs, square = _integers(path, _read_table(path, self.header, self.columns)), None
        return (pairs - self.first_id if square is None else pairs), square

    def _count(
        self, pairs: Mapping[str, NDArray[np.int64]], square: int | None, features: Any
    ) -> int:
        """Number of nodes, after all that is said of it has been compared."""
        for role, path in self._pair_files().items():
            lowest = int(pairs[role].min(initial=0))
            if lowest < 0:
                raise DataError(
                    f"{path}: an id is {lowest + self.first_id}; ids start at {self.first_id}. Set "
                    "first_id, or ids: any if they are names"
                )
        last = max(pairs, key=lambda role: int(pairs[role].max(initial=-1)))
        highest, path = int(pairs[last].max(initial=-1)), self.files()[last]
        rows = None if features is None else int(features.shape[0])
        if self.nodes and rows is not None and rows != self.nodes:
            raise DataError(f"{self.features}: {rows} rows, but nodes = {self.nodes}")
        n = self.nodes or rows or square or highest + 1
        if highest >= n:
            source = "nodes says" if self.nodes else f"{self.features or self.links} has rows for"
            raise DataError(
                f"{path}: an id is {highest + self.first_id}, but {source} {n} nodes "
                f"(ids {self.first_id} to {n - 1 + self.first_id})"
            )
        linked = np.unique(np.concatenate([*pairs.values()], axis=1)).size
        if n == highest + 1 and n > SPARSEST * max(1, linked):
            raise DataError(
                f"{path}: ids reach {highest}, and only {linked} occur. They look like "
                "names: set ids: any"
            )
        if rows is None and n > max(FEW_NODES, SPARSEST * linked):
            raise DataError(
                f"{self.links}: {n} nodes, and only {linked} of them have a link; at least one in "
                f"{SPARSEST} must have one"
            )
        return n

    def _named(self) -> RawGraph:
        files, ends = self._pair_files(), {}
        assert self.header is not None
        for role, path in files.items():
            ends[role] = _read_table(path, self.header, self.columns, named=True)
            _refuse_empty(path, ends[role])
        features, names = None, np.unique(np.concatenate([*ends.values()], axis=1))
        if self.features is not None:
            known = names
            features, names = _named_features(self.features, self.header)
            strangers = np.setdiff1d(known, names)
            if strangers.size:
                raise DataError(
                    f"{self.features}: no row for {strangers.size} of the nodes, such as "
                    f"{str(strangers[0])!r}"
                )
        pairs = {role: np.searchsorted(names, found) for role, found in ends.items()}
        return self._raw(len(names), pairs, features, names)

    def _raw(
        self,
        n: int,
        pairs: Mapping[str, NDArray[np.int64]],
        features: Any,
        names: NDArray[np.str_] | None = None,
    ) -> RawGraph:
        """The links of all files, and the division where there is one."""
        links = np.concatenate([pairs[role] for role in ("links", *SIDES) if role in pairs], axis=1)
        called = names if names is not None else np.arange(n) + self.first_id
        official = self._division(n, pairs, called) if "valid" in pairs else {}
        return RawGraph(n, links, features, official=official, names=names)

    def _division(
        self, n: int, pairs: Mapping[str, NDArray[np.int64]], called: NDArray[Any]
    ) -> dict[str, NDArray[np.int64]]:
        """The sides and their negatives as `RawGraph.official` holds them.

        Raises:
            DataError: a row is not what its file is for; says which.
        """
        files, official = self.files(), {}
        keys = {role: keys_of(found, n) for role, found in pairs.items()}

        def refuse(role: str, bad: NDArray[np.bool_], what: str) -> None:
            if bad.any():
                row = int(bad.argmax())
                pair = tuple(map(str, called[pairs[role][:, row]]))
                raise DataError(f"{files[role]}: row {row + 1} of the data, {pair}, {what}")

        for side, negatives in zip(SIDES, NEGATIVES, strict=True):
            for role in (side, negatives):
                if role in pairs:
                    if keys[role].size == 0:
                        raise DataError(f"{files[role]}: holds no pairs")
                    refuse(role, pairs[role][0] == pairs[role][1], "is a node with itself")
            refuse(side, _repeats(keys[side]), "is there twice; list each link once")
            official[side] = pairs[side]
        refuse("test", np.isin(keys["test"], keys["valid"]), f"is in {files['valid']} too")
        proper = keys["links"][pairs["links"][0] != pairs["links"][1]]
        if np.isin(proper, np.concatenate([keys[side] for side in SIDES])).all():
            raise DataError(
                f"{self.links}: all its links are in {files['valid']} or {files['test']}; no link "
                "is left to train on"
            )
        linked = np.concatenate([keys[role] for role in ("links", *SIDES)])
        for side, negatives in zip(SIDES, NEGATIVES, strict=True):
            if negatives not in pairs:
                continue
            refuse(negatives, np.isin(keys[negatives], linked), "is a link; negatives are none")
            if self.negatives_per_link is None:
                refuse(negatives, _repeats(keys[negatives]), "is there twice; each counts once")
                official[f"{side}_neg"] = pairs[negatives]
                continue
            links, each = pairs[side], self.negatives_per_link
            if pairs[negatives].shape[1] != links.shape[1] * each:
                raise DataError(
                    f"{files[negatives]}: {pairs[negatives].shape[1]} rows; negatives_per_link = "
                    f"{each} and the {links.shape[1]} links of {files[side]} need "
                    f"{links.shape[1] * each}"
                )
            owner = np.repeat(links, each, axis=1)
            near = (pairs[negatives][:, None] == owner[None]).any(axis=(0, 1))
            refuse(negatives, ~near, "has no node of the link whose turn it is")
            again = _repeats(keys[negatives].reshape(-1, each)).ravel()
            refuse(negatives, again, "is there twice for its link; each counts once")
            official[f"{side}_neg"] = pairs[negatives].reshape(2, -1, each)
        if "test_negatives" in pairs and self.negatives_per_link is None:
            both = np.isin(keys["test_negatives"], keys["valid_negatives"])
            refuse("test_negatives", both, f"is in {files['valid_negatives']} too")
        return official


def _repeats(keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which keys [..., k] have come before in their row."""
    order = keys.argsort(axis=-1, kind="stable")
    ascending = np.take_along_axis(keys, order, axis=-1)
    again = np.zeros(keys.shape, dtype=np.bool_)
    same = ascending[..., 1:] == ascending[..., :-1]
    np.put_along_axis(again, order[..., 1:], same, axis=-1)
    return again


def _require(path: Path, role: str) -> Path:
    try:
        if not path.is_file():
            found = "a folder, not a file" if path.is_dir() else "no such file"
            raise DataError(f"{path}: {found}. Check {KEY}.{role}")
    except OSError as error:  # such as a name that is too long
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    return path


def _frame(
    path: Path,
    header: bool | None,
    is_data: Callable[[list[str]], bool],
    refuse_numbers: bool = False,
    named: bool = False,
) -> "pd.DataFrame":
    """A table of texts.

    `is_data` tells a row of data from a header where that is not said. With `named`, cells are
    names of nodes, which may begin as a comment does.

    Raises:
        DataError: no text, no row, or rows of more cells than the first; or a number in the header,
            if `refuse_numbers`, so that a wrong first row is not dropped as a header.
    """
    import pandas as pd

    separator, lines = SEPARATORS[path.suffix], [line for _, line in text_lines(path)]
    lines = list(dropwhile(is_comment, lines) if named else filterfalse(is_comment, lines))
    if not lines:
        raise DataError(f"{path}: is empty")
    if header is None:
        first = lines[0].split(None if separator == r"\s+" else separator)
        header = not is_data([cell.strip().strip('"') for cell in first])
        if header and refuse_numbers and any(map(_is_number, first[:2])):
            raise DataError(
                f"{path}: the first line begins with {first[:2]}, neither two integer ids nor "
                "names of columns. Correct it, or set header"
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                StringIO("\n".join(lines)),
                sep=separator,
                header=0 if header else None,
                dtype=str,
                keep_default_na=False,
                skipinitialspace=True,
                index_col=False,  # else a row of too many cells would shift the columns
            )
    except (ValueError, pd.errors.ParserWarning) as error:
        raise DataError(f"{path}: not a table ({' '.join(str(error).split())})") from None


def text_lines(path: Path) -> list[tuple[int, str]]:
    """Number, from 1, and text of each line that is not empty.

    Raises:
        DataError: the file is no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text in UTF-8") from None
    return [(i, line) for i, line in enumerate(_NEW_LINE.split(text), 1) if line.strip()]


_NEW_LINE = re.compile(r"\r\n|\r|\n")
"""Ends of lines; `str.splitlines` sees others, which may stand within a name."""


def is_comment(line: str) -> bool:
    """Whether a line is none of data; where nodes have names, only above the first that is."""
    return line[0] in "#%"


def _read_table(
    path: Path, header: bool | None, columns: tuple[int | str, int | str], named: bool = False
) -> Any:
    """The two columns as texts, array of shape [2, rows]."""
    frame = _frame(path, header, lambda cells: all(map(_is_integer, cells[:2])), True, named)
    ends = []
    for column in columns:
        known = frame.columns if isinstance(column, str) else range(frame.shape[1])
        if column not in known:
            _refuse_other_separator(path, frame)
            raise DataError(
                f"{path}: no column {column!r}; it has {[str(name) for name in frame.columns]}. "
                f"Set {KEY}.columns"
            )
        chosen = frame[column] if isinstance(column, str) else frame.iloc[:, column]
        ends.append(_ids(path, chosen))
    return np.stack(ends)


def _refuse_other_separator(path: Path, frame: "pd.DataFrame") -> None:
    """Refuse a table of one column that would be more if something else parted its columns."""
    if frame.shape[1] == 1:
        first = f"{frame.columns[0]}{''.join(frame.iloc[:1, 0])}"
        for sign, name in OTHER_SEPARATORS.items():
            if sign in first:
                raise DataError(
                    f"{path}: its only column holds {name}; columns are separated by the suffix: "
                    f"{SEPARATED}. Save it in one of these forms"
                )


def _ids(path: Path, column: Any) -> NDArray[np.str_]:
    """The texts of a column, none of them so long that all together would fill the memory.

    Raises:
        DataError: gives the first row of a text that is too long, or holds a null character.
    """
    texts = column.fillna("").str.strip()
    wrong = (texts.str.len() > LONGEST_ID) | texts.str.contains("\0", regex=False)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise DataError(
            f"{path}: row {row + 1} of the data has an id of {len(texts.iloc[row])} letters or "
            f"with a null character; at most {LONGEST_ID} letters are allowed"
        )
    return texts.to_numpy(dtype=np.str_)  # type: ignore[no-any-return]


def _is_integer(cell: str) -> bool:
    return re.fullmatch(INTEGER, cell) is not None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _integers(path: Path, ends: NDArray[np.str_]) -> NDArray[np.int64]:
    """Ids of texts, shape [2, rows].

    Raises:
        DataError: gives the first row with something else.
    """
    import pandas as pd

    fits = np.stack([pd.Series(row, dtype="str").str.fullmatch(INTEGER) for row in ends])
    bad = np.flatnonzero(~fits.astype(bool).all(axis=0))
    if bad.size:
        raise DataError(
            f"{path}: row {bad[0] + 1} of the data is {tuple(map(str, ends[:, bad[0]]))}, not two "
            "integer ids. If ids are names, set ids: any; if a first line names the columns, "
            "header: true"
        )
    return ends.astype(np.int64)


def _refuse_empty(path: Path, ends: NDArray[np.str_]) -> None:
    bad = np.flatnonzero((ends == "").any(axis=0))
    if bad.size:
        raise DataError(f"{path}: row {bad[0] + 1} of the data has an empty id")


def _load_numpy(path: Path) -> Any:
    """What numpy.load gives; object arrays are refused, as they would have to be unpickled."""
    try:
        with path.open("rb") as opened:
            loaded = np.load(opened, allow_pickle=False)
            one = isinstance(loaded, np.ndarray)
            if one != (path.suffix == ".npy"):
                raise ValueError("np.save writes .npy, np.savez .npz")
            return loaded if one else {name: loaded[name] for name in loaded.files}
    except Exception as error:  # a damaged file can raise nearly anything
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path}: not a numpy file of plain arrays ({reason}). Nothing is unpickled: save it "
            "without object arrays"
        ) from None


def _sparse_matrix(path: Path, arrays: dict[str, NDArray[Any]]) -> Any:
    """The matrix in the arrays of scipy.sparse.save_npz; None if they are others."""
    if "format" not in arrays:
        return None
    try:
        loaded = scipy.sparse.load_npz(path)
        if max(loaded.shape) > MOST_NODES:  # a row costs memory, even an empty one
            raise ValueError(f"shape {loaded.shape}; at most {MOST_NODES:,} rows and columns")
        matrix = scipy.sparse.csr_array(loaded)
        matrix.check_format(full_check=True)
        return matrix
    except Exception as error:  # a damaged file can raise nearly anything
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: not a sparse matrix of scipy ({reason})") from None


def _read_npz(path: Path) -> tuple[NDArray[np.int64], int | None]:
    """Pairs [2, rows], and the number of nodes where the file is a square matrix."""
    arrays = _load_numpy(path)
    matrix = _sparse_matrix(path, arrays)
    if matrix is not None:
        if matrix.shape[0] != matrix.shape[1]:
            raise DataError(f"{path}: a matrix of shape {matrix.shape}; links need a square one")
        rows, columns = matrix.nonzero()
        return np.stack([rows, columns]).astype(np.int64), int(matrix.shape[0])
    if "links" not in arrays and len(arrays) != 1:
        raise DataError(f"{path}: call the array of pairs 'links'; there are {sorted(arrays)}")
    pairs = arrays.get("links", next(iter(arrays.values())))
    if pairs.ndim != 2 or 2 not in pairs.shape or pairs.dtype.kind not in "iu":
        raise DataError(
            f"{path}: {pairs.dtype} of shape {pairs.shape}; integers [2, rows] or [rows, 2] needed"
        )
    return (pairs if pairs.shape[0] == 2 else pairs.T).astype(np.int64), None


def _read_features(path: Path, header: bool | None) -> Any:
    """Features [n, f], dense or sparse, all finite."""
    if path.suffix == ".npy":
        values = _load_numpy(path)
    elif path.suffix == ".npz":
        values = _sparse_matrix(path, _load_numpy(path))
        if values is None:
            raise DataError(f"{path}: not written by scipy.sparse.save_npz; for an array use .npy")
    else:
        frame = _frame(path, header, lambda cells: all(map(_is_number, cells)))
        values = _numbers(path, frame)
    return _checked_features(path, values)


def _named_features(path: Path, header: bool) -> tuple[Any, NDArray[np.str_]]:
    """Features in the order of their sorted names, and the names."""
    frame = _frame(path, header, lambda cells: False, named=True)
    names = _ids(path, frame.iloc[:, 0])
    _, first, repeats = np.unique(names, return_index=True, return_counts=True)
    if repeats.max() > 1:
        raise DataError(f"{path}: {str(names[first[repeats.argmax()]])!r} has more than one row")
    values = _checked_features(path, _numbers(path, frame.iloc[:, 1:]))
    return values[first], names[first]


def _numbers(path: Path, frame: "pd.DataFrame") -> NDArray[np.float64]:
    try:
        return frame.to_numpy(dtype=object).astype(np.float64)
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: a feature is no number ({str(error)[:200]})") from None


def _checked_features(path: Path, values: Any) -> Any:
    if values.ndim != 2 or values.shape[1] == 0 or values.dtype.kind not in "biuf":
        raise DataError(
            f"{path}: {values.dtype} of shape {values.shape}; numbers [nodes, features] needed"
        )
    with np.errstate(over="ignore"):  # told below
        single = values.astype(np.float32)
    finite = np.isfinite(single.data if scipy.sparse.issparse(single) else single)
    if not finite.all():
        raise DataError(
            f"{path}: {int((~finite).sum())} values are NaN or infinite, or too large for float32"
        )
    return single
