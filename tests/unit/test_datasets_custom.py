"""Your own files: what is accepted, what is said of the rest."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st

from neglink.datasets import build_graph, fetch_files, identity
from neglink.datasets.custom import Custom
from neglink.errors import DataError, ParamsError
from neglink.graph import Graph, load_graph, save_graph
from neglink.params import check_params
from neglink.splits import LinkSplit, make_split
from neglink.splits.candidates import Candidates
from neglink.splits.links import OfficialSplit
from neglink.splits.official import Official
from neglink.steps.graph import run_graph
from tests.unit.documents import own_params

TRIANGLE = [[0, 0, 1], [1, 2, 2]]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def build(links: Path, **settings: Any) -> Graph:
    return Custom(links=links, **settings).build()[0]


def refused(links: Path, **settings: Any) -> str:
    """The error's text, which must be one readable line."""
    with pytest.raises((DataError, ParamsError)) as error:
        build_graph({"kind": "custom", "links": links, **settings}, Path("nowhere"))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "0,1\n2,0\n1,2\n"),
        ("a.csv", "from,to\n0,1\n2,0\n1,2\n"),
        ("a.csv", '"from","to"\r\n0, 1\r\n2, 0\r\n1, 2\r\n'),
        ("a.csv", "0,1,0.5\n2,0,0.1\n1,2,9\n"),
        ("a.tsv", "0\t1\n2\t0\n1\t2\n"),
        ("a.txt", "# a comment\n0 1\n\n2  0\n1\t2\n"),
        ("a.edges", "% a comment\n0 1\n2 0\n1 2"),
        ("a.mtx", "%%MatrixMarket matrix coordinate pattern symmetric\n3 3 3\n2 1\n3 1\n3 2\n"),
    ],
)
def test_every_text_format_gives_the_same_triangle(tmp_path: Path, name: str, text: str) -> None:
    graph = build(write(tmp_path / name, text))
    assert graph.n == 3
    assert graph.links.tolist() == TRIANGLE


def test_npz_of_pairs_in_either_shape_or_of_a_matrix(tmp_path: Path) -> None:
    pairs = np.array([[0, 1], [2, 0], [1, 2]])
    np.savez(tmp_path / "rows.npz", pairs)
    np.savez(tmp_path / "columns.npz", links=pairs.T, other=np.zeros(3))
    matrix = scipy.sparse.coo_array((np.ones(3), pairs.T), shape=(4, 4))
    scipy.sparse.save_npz(tmp_path / "matrix.npz", matrix)
    for name, n in (("rows", 3), ("columns", 3), ("matrix", 4)):
        graph = build(tmp_path / f"{name}.npz")
        assert (graph.n, graph.links.tolist()) == (n, TRIANGLE)


def test_columns_by_name_and_ids_from_1(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "weight,to,from\n5,2,1\n5,3,1\n6,3,2\n")
    assert build(path, columns=("from", "to"), first_id=1).links.tolist() == TRIANGLE


def test_names_are_kept_in_sorted_order_and_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "zoë,adam\nadam,NA\n")
    graph = build(path, ids="any", header=False)
    assert graph.links.tolist() == [[0, 1], [1, 2]]
    save_graph(tmp_path / "g.npz", graph)
    names = load_graph(tmp_path / "g.npz").names
    assert names is not None
    assert names.tolist() == ["NA", "adam", "zoë"]


def test_names_may_begin_like_comments_and_hold_other_separators_of_lines(tmp_path: Path) -> None:
    links = write(tmp_path / "a.csv", "# tags\nfrom,to\n#b,%a\r\n%a,c\u2028d\n")
    features = write(tmp_path / "f.csv", "name,x\nc\u2028d,3\n%a,2\n#b,1\n")
    graph = build(links, features=features, ids="any", header=True)
    assert graph.names is not None
    assert graph.names.tolist() == ["#b", "%a", "c\u2028d"]
    assert graph.links.tolist() == [[0, 1], [1, 2]]
    assert isinstance(graph.features, torch.Tensor)
    assert graph.features[:, 0].tolist() == [1, 2, 3]


def test_features_of_named_nodes_follow_the_names(tmp_path: Path) -> None:
    links = write(tmp_path / "a.csv", "from,to\nb,a\n")
    features = write(tmp_path / "f.csv", "name,x,y\nc,3,3\na,1,1\nb,2,2\n")
    graph = build(links, features=features, ids="any", header=True)
    assert graph.n == 3
    assert isinstance(graph.features, torch.Tensor)
    assert graph.features[:, 0].tolist() == [1, 2, 3]


def test_features_sparse_dense_or_table(tmp_path: Path) -> None:
    links = write(tmp_path / "a.csv", "0,1\n")
    values = np.array([[1, 0], [0, 2], [0, 3]], dtype=np.float64)
    scipy.sparse.save_npz(tmp_path / "f.npz", scipy.sparse.csc_array(values))
    np.save(tmp_path / "f.npy", values)
    write(tmp_path / "f.csv", "1,0\n0,2\n0,3\n")
    write(tmp_path / "f.tsv", "x\ty\n1\t0\n0\t2\n0\t3\n")
    for name in ("f.npz", "f.npy", "f.csv", "f.tsv"):
        graph = build(links, features=tmp_path / name)
        assert graph.n == 3
        assert isinstance(graph.features, torch.Tensor)
        assert graph.features.tolist() == values.tolist()


def test_what_was_dropped_is_counted_and_said(tmp_path: Path) -> None:
    links = write(tmp_path / "a.csv", "0,1\n1,0\n0,1\n2,2\n1,2\n")
    graph, report = build_graph({"kind": "custom", "links": str(links), "nodes": 5}, tmp_path)
    assert graph.m == 2
    assert report["cleaning"] == {
        "rows": 5, "self_loops": 1, "duplicates": 2, "reversed": 1, "links": 2
    }  # fmt: skip
    assert report["notes"] == [
        "1 of 5 rows link a node to itself: dropped",
        "1 of 2 links are listed in both directions, the others in one (a directed list?): "
        "directions are dropped",
        "1 rows repeat an earlier row: dropped",
        "2 of 5 nodes have no link",
    ]


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        ("", {}, "is empty"),
        ("# only comments\n", {}, "is empty"),
        ("from,to\n", {}, "holds no links"),
        ("1,1\n2,2\n", {}, "all 2 rows are self-loops"),
        ("0,1\n-1,2\n", {}, "an id is -1"),
        ("0,1\n0,1.5\n", {}, "row 2 of the data is ('0', '1.5')"),
        ("0,1\n0,x\n", {}, "set ids: any"),
        ("0,1\n0,\n", {}, "row 2 of the data is ('0', '')"),
        ("a,1\nb,\n", {"ids": "any", "header": False}, "has an empty id"),
        ("0,1\n", {"ids": "any"}, "header: say true or false"),
        ("0,1\n", {"ids": "any", "header": False, "nodes": 3}, "leave nodes"),
        ("0,1\n0,1,2\n", {}, "not a table"),
        ("0,1\n0,99999999999999999999\n", {}, "not two integer ids"),
        ("0,1\n0,888888888888\n", {}, "set ids: any"),
        ("0,7\n", {"nodes": 5}, "an id is 7, but nodes says 5 nodes (ids 0 to 4)"),
        ("0,1\n", {"first_id": 1}, "an id is 0; ids start at 1"),
        ("0\n", {"header": False}, "no column 1; it has ['0']. Set data.custom.<name>.columns"),
        ("0;1\n", {"header": False}, "its only column holds semicolons; columns are separated by"),
        ("from;to\n0;1\n", {}, "holds semicolons; columns are separated by the suffix: .csv by c"),
        ("0\t1\n", {}, "its only column holds tabs"),
        ("a b\n", {"ids": "any", "header": False}, "its only column holds spaces"),
        ("0,1\n", {"columns": (0, 0)}, "columns: 0 twice"),
        ("a,b\n0,1\n", {"columns": ("a", "a")}, "columns: 'a' twice"),
        ("a,b\n0,1\n", {"columns": ("a", "c")}, "no column 'c'; it has ['a', 'b']"),
        ("0,1\n", {"columns": (0, -1)}, "no column -1"),
        ("0,1\n", {"colums": (0, 1)}, "data.custom.<name>.colums: unknown key"),
        ("0,1\n", {"ids": "some"}, "data.custom.<name>.ids = 'some'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, text: str, settings: dict[str, Any], said: str
) -> None:
    assert said in refused(write(tmp_path / "a.csv", text), **settings)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.ones((2, 2)), "an id is 2, but"),
        (np.array([[1.0], [np.nan], [np.inf]]), "2 values are NaN or infinite"),
        (np.ones(3), "shape (3,)"),
        (np.ones((3, 0)), "shape (3, 0)"),
        (np.array([["a"], ["b"], ["c"]]), "numbers [nodes, features] needed"),
    ],
)
def test_wrong_features_are_named(tmp_path: Path, values: np.ndarray, said: str) -> None:
    links = write(tmp_path / "a.csv", "0,1\n1,2\n")
    np.save(tmp_path / "f.npy", values)
    text = refused(links, features=tmp_path / "f.npy")
    assert said in text
    assert "f.npy" in text


def test_features_that_do_not_go_with_the_rest_are_refused(tmp_path: Path) -> None:
    links = write(tmp_path / "a.csv", "0,1\n")
    table = write(tmp_path / "f.csv", "0,1\n0,1\n")
    assert "2 rows, but nodes = 3" in refused(links, features=table, nodes=3)
    assert "a feature is no number" in refused(links, features=write(tmp_path / "g.csv", "1\nx\n"))
    named = {"ids": "any", "header": False}
    assert "more than one row" in refused(links, features=table, **named)
    assert "no row for 1 of the nodes, such as '1'" in refused(
        links, features=write(tmp_path / "h.csv", "0,5\n"), **named
    )
    np.save(tmp_path / "f.npy", np.ones((2, 2)))
    assert "features: .npy files hold no names" in refused(
        links, features=tmp_path / "f.npy", **named
    )


def test_files_that_are_missing_or_of_another_format_are_named(tmp_path: Path) -> None:
    assert "none.csv: no such file. Check data.custom.<name>.links" in refused(
        tmp_path / "none.csv"
    )
    links = write(tmp_path / "a.csv", "0,1\n")
    assert "no such file" in refused(links, features=tmp_path / "none.npy")
    (tmp_path / "folder.csv").mkdir()
    assert "a folder, not a file" in refused(tmp_path / "folder.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe0\x00")
    assert "UTF-8" in refused(tmp_path / "b.csv")
    (tmp_path / "b.mtx").write_bytes(b"\xff\xfe0\x00")
    assert "b.mtx" in refused(tmp_path / "b.mtx")
    assert "numpy file" in refused(write(tmp_path / "b.npz", "0,1\n"))
    np.savez(tmp_path / "c.npz", a=np.zeros(2), b=np.zeros(2))
    assert "call the array of pairs 'links'" in refused(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", np.zeros((2, 2)))
    assert "integers [2, rows]" in refused(tmp_path / "d.npz")
    scipy.sparse.save_npz(tmp_path / "e.npz", scipy.sparse.csr_array(np.ones((2, 3))))
    assert "square" in refused(tmp_path / "e.npz")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"links": "a.xls"}, "links: unknown format '.xls'; allowed: .csv, .tsv, .txt, .edges, .m"),
        ({"links": "edges"}, "links: unknown format ''"),
        ({"links": "a.csv", "features": "f.mtx"}, "features: unknown format '.mtx'"),
        ({"links": "a.mtx", "ids": "any", "header": True}, "links: .mtx files hold no names"),
        ({"links": "a.csv", "ids": "any"}, "header: say true or false; with ids: any"),
        ({"links": "a.csv", "ids": "any", "header": True, "first_id": 1}, "leave nodes and first_"),
        ({"links": "a.csv", "columns": [0, 0]}, "columns: 0 twice"),
    ],
)
def test_what_settings_alone_tell_is_told_before_any_file_is_looked_for(
    settings: dict[str, Any], says: str
) -> None:
    told = own_params()
    told["data"]["custom"] = {"mine": settings}
    with pytest.raises(ParamsError, match=rf"data\.custom\.mine = .*: {re.escape(says)}"):
        check_params(told)


def test_an_error_in_a_file_names_the_data_set(tmp_path: Path) -> None:
    source = {"kind": "custom", "links": str(write(tmp_path / "a.csv", "0,1\n0,x\n"))}
    with pytest.raises(DataError, match=r"^data set mine: .*a\.csv: row 2 of the data"):
        run_graph(tmp_path / "g.npz", tmp_path / "g.json", {"name": "mine", "source": source}, {},
                  tmp_path, None)  # fmt: skip


def test_object_arrays_are_never_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "harm",))

    np.savez(tmp_path / "a.npz", links=np.array([Bomb()], dtype=object))
    np.save(tmp_path / "f.npy", np.array([Bomb()], dtype=object))
    assert "Nothing is unpickled" in refused(tmp_path / "a.npz")
    links = write(tmp_path / "a.csv", "0,1\n")
    assert "Nothing is unpickled" in refused(links, features=tmp_path / "f.npy")
    assert not (tmp_path / "harm").exists()


def test_identity_follows_the_content_not_the_folder(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one = {"kind": "custom", "links": write(tmp_path / "a.csv", "0,1\n")}
    same = {"kind": "custom", "links": write(tmp_path / "other/a.csv", "0,1\n")}
    assert identity(one) == identity(same)
    assert fetch_files(one, tmp_path)["a.csv"]["sha256"] in str(identity(one))
    assert identity(one) != identity(one | {"header": False})
    write(tmp_path / "a.csv", "0,2\n")
    assert identity(one) != identity(same)


ids = st.integers(0, 40)


@given(rows=st.lists(st.tuples(ids, ids), min_size=1, max_size=60))
def test_any_edge_list_becomes_clean_links(
    rows: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = "".join(f"{u},{v}\n" for u, v in rows)
    path = write(tmp_path_factory.mktemp("any") / "a.csv", text)
    expected = sorted({(min(row), max(row)) for row in rows if row[0] != row[1]})
    if not expected:
        with pytest.raises(DataError, match="self-loops"):
            build(path)
        return
    graph, cleaning = Custom(links=path).build()
    assert [tuple(link) for link in graph.links.T.tolist()] == expected
    assert graph.n == max(map(max, rows)) + 1
    assert cleaning.rows == cleaning.links + cleaning.self_loops + cleaning.duplicates


RING = "0,1\n1,2\n2,3\n3,4\n4,5\n0,5\n"


def divided(folder: Path, **files: str) -> dict[str, Any]:
    """Settings of a ring of six nodes with a division; `files` replace or add texts by setting."""
    texts = {"links": RING, "valid": "2,1\n", "test": "5,4\n0,5\n", **files}
    return {role: write(folder / f"{role}.csv", text) for role, text in texts.items()}


@pytest.mark.parametrize("links", [RING, "0,1\n2,3\n3,4\n"])
def test_your_own_division_is_kept_whether_the_links_hold_it_or_not(
    tmp_path: Path, links: str
) -> None:
    graph = build(**divided(tmp_path, links=links))
    assert graph.m == 6
    made = make_split(graph, OfficialSplit(), Candidates(per_link=2), seed=3)
    assert made.train.tolist() == [[0, 2, 3], [1, 3, 4]]
    assert made.valid.tolist() == [[1], [2]]
    assert made.test.tolist() == [[0, 4], [5, 5]]


def test_your_own_shared_negatives_are_what_links_are_ranked_against(tmp_path: Path) -> None:
    files = divided(tmp_path, valid_negatives="3,0\n1,4\n", test_negatives="0,2\n")
    made = make_split(build(**files), OfficialSplit(), Official(), seed=0)
    assert made.ranked["valid"].shared
    assert made.ranked["valid"].negatives.tolist() == [[0, 1], [3, 4]]
    assert made.ranked["test"].positives.tolist() == made.test.tolist()


def test_your_own_negatives_of_each_link_stay_with_it(tmp_path: Path) -> None:
    files = divided(tmp_path, valid_negatives="2,0\n4,2\n", test_negatives="5,1\n5,2\n0,2\n0,3\n")
    graph = build(**files, negatives_per_link=2)
    save_graph(tmp_path / "graph.npz", graph)
    made = make_split(load_graph(tmp_path / "graph.npz"), OfficialSplit(), Official(), seed=0)
    made.save(tmp_path / "split.npz")
    ranked = LinkSplit.load(tmp_path / "split.npz").ranked["test"]
    assert not ranked.shared
    assert ranked.positives.tolist() == [[4, 0], [5, 5]]  # the order of the file, not sorted
    assert ranked.negatives.tolist() == [[[1, 2], [0, 0]], [[5, 5], [2, 3]]]


def test_a_division_by_names(tmp_path: Path) -> None:
    links, valid, test = "b,a\na,c\n", "c,d\n", "d,e\n"
    files = divided(tmp_path, links=links, valid=valid, test=test, test_negatives="a,e\n",
                    valid_negatives="b,f\n")  # fmt: skip
    graph = build(**files, ids="any", header=False)
    assert graph.names is not None
    assert graph.names.tolist() == ["a", "b", "c", "d", "e", "f"]
    assert graph.official["test_neg"].tolist() == [[0], [4]]
    assert OfficialSplit().divide(graph, np.random.default_rng(0)).test.tolist() == [[3], [4]]


NEGATIVES = {"valid_negatives": "0,2\n", "test_negatives": "1,3\n"}


@pytest.mark.parametrize(
    ("files", "settings", "says"),
    [
        ({"valid": ""}, {}, "valid.csv: is empty"),
        ({"valid": "3,3\n"}, {}, "valid.csv: row 1 of the data, ('3', '3'), is a node with itself"),
        ({"test": "4,5\n5,4\n"}, {}, "test.csv: row 2 of the data, ('5', '4'), is there twice"),
        ({"test": "4,5\n1,2\n"}, {}, "test.csv: row 2 of the data, ('1', '2'), is in"),
        ({"links": "1,2\n4,5\n"}, {}, "links.csv: all its links are in"),
        ({"valid": "-1,2\n"}, {}, "valid.csv: an id is -1"),
        ({"valid": "1,9\n"}, {"nodes": 6}, "valid.csv: an id is 9, but nodes says 6"),
        (NEGATIVES | {"test_negatives": "3,1\n0,5\n"}, {}, "row 2 of the data, ('0', '5'), is a l"),
        (NEGATIVES | {"test_negatives": "2,0\n"}, {}, "test_negatives.csv: row 1 of the data"),
        (NEGATIVES | {"valid_negatives": "2,0\n0,2\n"}, {}, "('0', '2'), is there twice"),
        (NEGATIVES, {"negatives_per_link": 1}, "1 rows; negatives_per_link = 1 and the 2 links"),
        (NEGATIVES | {"test_negatives": "5,1\n1,3\n"}, {"negatives_per_link": 1},
         "test_negatives.csv: row 2 of the data, ('1', '3'), has no node of the link"),
        ({"valid_negatives": "2,0\n2,4\n", "test_negatives": "5,1\n1,5\n0,2\n0,3\n"},
         {"negatives_per_link": 2}, "row 2 of the data, ('1', '5'), is there twice for its link"),
    ],
)  # fmt: skip
def test_a_row_that_does_not_fit_a_division_is_named(
    tmp_path: Path, files: dict[str, str], settings: dict[str, Any], says: str
) -> None:
    assert says in refused(**divided(tmp_path, **files), **settings)


@pytest.mark.parametrize("left_out", ["valid", "test"])
def test_half_a_division_is_refused(tmp_path: Path, left_out: str) -> None:
    files = divided(tmp_path)
    del files[left_out]
    assert f"needs {left_out} as well" in refused(**files)


def test_an_identity_tells_which_side_a_file_is(tmp_path: Path) -> None:
    files = divided(tmp_path)
    swapped = files | {"valid": files["test"], "test": files["valid"]}
    assert Custom(**files).identity() != Custom(**swapped).identity()
    assert "sides" not in Custom(links=files["links"]).identity()
