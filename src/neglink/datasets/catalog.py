"""The catalog: every data set of the five papers, from its raw files to the counts to expect.

Folders and file names are those that the loaders of PyTorch Geometric and OGB use, so a mirror
serves both. "Rows" are lines of the raw edge list, "links" what is left undirected and clean.
"""

from neglink.datasets.entry import Counts, Entry, KnownHash, RawFile
from neglink.errors import DataError
from neglink.registry import suggest

PLANETOID_URL = "https://github.com/kimiyoung/planetoid/raw/master/data"
BENCHMARK_URL = "https://github.com/shchur/gnn-benchmark/raw/master/data/npz"
G2G_URL = "https://github.com/abojchevski/graph2gauss/raw/master/data"
GEOM_URL = "https://raw.githubusercontent.com/graphdml-uiuc-jlu/geom-gcn"
MUSAE_URL = "https://raw.githubusercontent.com/benedekrozemberczki/MUSAE/master/input"
OGB_URL = "http://snap.stanford.edu/ogb/data"
NRVIS_URL = "https://nrvis.com/download/data/ca"
FACEBOOK_URL = (
    "https://drive.usercontent.google.com/download?id=12aJWAGCM4IvdGI2fiydDNyWzViEOLZH8&confirm=t"
)

PLANETOID = "Yang, Cohen and Salakhutdinov (2016), Revisiting semi-supervised learning, ICML"
SHCHUR = "Shchur et al. (2018), Pitfalls of graph neural network evaluation, arXiv:1811.05868"
G2G = "Bojchevski and Günnemann (2018), Deep Gaussian embedding of graphs, ICLR"
MUSAE = "Rozemberczki, Allen and Sarkar (2021), Multi-scale attributed node embedding"
GEOM_GCN = "Pei et al. (2020), Geom-GCN: geometric graph convolutional networks, ICLR"
OGB = "Hu et al. (2020), Open graph benchmark, NeurIPS"
ROSSI = "Rossi and Ahmed (2015), The network data repository, AAAI"


def _file(
    role: str,
    path: str,
    url: str,
    sha256: str = "",
    size: int | None = None,
    member: str | None = None,
    note: str = "the published file",
) -> RawFile:
    """A file of which one SHA-256 is known, or none."""
    known = (KnownHash("sha256", sha256, note),) if sha256 else ()
    return RawFile(role, path, url, known, size, member)


def _planetoid(folder: str, name: str, sizes: dict[str, tuple[str, int]]) -> tuple[RawFile, ...]:
    """The eight files of a Planetoid graph; `sizes` gives (SHA-256, bytes) by their last part."""
    return tuple(
        _file(
            part,
            f"Planetoid/{folder}/raw/ind.{name}.{part}",
            f"{PLANETOID_URL}/ind.{name}.{part}",
            *facts,
        )
        for part, facts in sizes.items()
    )


ENTRIES = (
    Entry(
        name="cora",
        title="Cora, citations",
        files=_planetoid(
            "Cora",
            "cora",
            {
                "x": ("23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab", 22119),
                "tx": ("b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a", 148025),
                "allx": (
                    "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
                    257305,
                ),
                "y": ("94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1", 4054),
                "ty": ("41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad", 28135),
                "ally": ("2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71", 47959),
                "graph": (
                    "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
                    59847,
                ),
                "test.index": (
                    "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
                    5000,
                ),
            },
        ),
        reader="planetoid:read",
        counts=Counts(2708, 5278, 1433),
        licence="MIT (repository)",
        citation=PLANETOID,
        published=(
            "MeBNS Table 1: 2,708 / 10,556 / 1,433, where both directions of a link are counted."
        ),
    ),
    Entry(
        name="citeseer",
        title="CiteSeer, citations",
        files=_planetoid(
            "CiteSeer",
            "citeseer",
            {
                "x": ("d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6", 31087),
                "tx": ("539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21", 260321),
                "allx": (
                    "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
                    595021,
                ),
                "y": ("8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924", 3014),
                "ty": ("55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce", 24135),
                "ally": ("f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95", 55623),
                "graph": (
                    "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7",
                    61987,
                ),
                "test.index": (
                    "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4",
                    5000,
                ),
            },
        ),
        reader="planetoid:read",
        counts=Counts(3327, 4552, 3703),
        licence="MIT (repository)",
        citation=PLANETOID,
        published=(
            "MeBNS Table 1: 3,327 / 9,104 / 3,703, where both directions of a link are counted."
        ),
        note=(
            "15 nodes occur in no feature file: they have no features, and label -1 where PyTorch "
            "Geometric says class 0."
        ),
    ),
    Entry(
        name="pubmed",
        title="PubMed diabetes, citations",
        files=_planetoid(
            "PubMed",
            "pubmed",
            {
                "x": ("fbe9cb5c47200d1b7769a26e579be3b7130b556831f9d850e77c4c74f2599b33", 23172),
                "tx": ("4eb5f5d0f30f26497eb0ac6ac9719d09c67e284f1ed0385c93f3ef27a671da3d", 405505),
                "allx": (
                    "508e538e2abdccdd54c4d3e9f49d638b4af7107d85845f66ddea5a5152658b7e",
                    7578385,
                ),
                "y": ("e6c807633307a07ed659249006536a147c7999c797f11a2560752990181b41b3", 854),
                "ty": ("ee2e0d4819d9fbcc403689c3bf2e49face401b605932f093bc58ab6461130fdd", 12135),
                "ally": (
                    "0c37bbe3b5014ec365e9d393cf4791925e5ed94fb194305d74f064a8d7b50f0e",
                    224739,
                ),
                "graph": (
                    "5b89f0036ca22909471f1e6558eb42fa06e0c730a577bde5b058b40638f81dc9",
                    471808,
                ),
                "test.index": (
                    "b101d421688bbaecbd82e8a18f1e282378d6830f3a37666f28ebc47f844341b5",
                    6000,
                ),
            },
        ),
        reader="planetoid:read",
        counts=Counts(19717, 44324, 500),
        licence="MIT (repository)",
        citation=PLANETOID,
        published=(
            "MeBNS Table 1: 19,717 / 88,648 / 500, where both directions of a link are "
            "counted; PULL has the same."
        ),
    ),
    Entry(
        name="cora-full",
        title="Cora, full citation network",
        files=(
            RawFile(
                "graph",
                "CitationFull/cora/raw/cora.npz",
                f"{G2G_URL}/cora.npz",
                (
                    KnownHash(
                        "sha256", "62e054f93be00a3dedb15b7ac15a2a07168ceab68b40bf95f54d2289d024c6bc"
                    ),
                    KnownHash(
                        "sha256",
                        "a4e0516cf23ec24eca1ecc57e627414350219fa94337b5b2e232ab58acaf2df7",
                        "cora_full.npz of gnn-benchmark, another copy of the graph",
                    ),
                ),
            ),
        ),
        reader="gnn_npz:read",
        counts=Counts(19793, 63421, 8710),
        licence="none stated; graph2gauss: MIT",
        citation=G2G,
        published="PULL: 19,793 / 126,842 / 8,710, where both directions of a link are counted.",
        note="Features are turned to 0/1, as PyTorch Geometric does.",
    ),
    Entry(
        name="citationfull-pubmed",
        title="PubMed diabetes as in graph2gauss",
        files=(
            RawFile(
                "graph",
                "CitationFull/pubmed/raw/pubmed.npz",
                f"{G2G_URL}/pubmed.npz",
                (
                    KnownHash("git_blob_sha1", "0735ab74ee845ee26da2db763294d42646058534"),
                    KnownHash(
                        "sha256",
                        "05f27eab960fff705e1d1ca9057ac9df5cd8fd83e7028ba169b26a3e8a05bc7c",
                        "rebuilt from Planetoid's PubMed in the keys that CitationFull reads",
                    ),
                ),
            ),
        ),
        reader="gnn_npz:read",
        counts=Counts(19717, 44324, 500),
        licence="MIT (planetoid, graph2gauss)",
        citation=G2G,
        published="PULL: 19,717 / 88,648 / 500, where both directions of a link are counted.",
        note=(
            "Features are turned to 0/1, as PyTorch Geometric does. Two contents are "
            "accepted: in the rebuilt one, node order and label numbers may differ from the "
            "published one."
        ),
    ),
    Entry(
        name="photo",
        title="Amazon Photo, bought together",
        files=(
            _file(
                "graph",
                "Amazon/Photo/raw/amazon_electronics_photo.npz",
                f"{BENCHMARK_URL}/amazon_electronics_photo.npz",
                "bdb1feb8e6ff42ee44024b04479145029c563fd42fc31bff80af20887ba0439a",
                17113960,
            ),
        ),
        reader="gnn_npz:read",
        counts=Counts(7650, 119081, 745),
        licence="MIT (repository)",
        citation=SHCHUR,
        published=(
            "MeBNS Table 1: 7,650 / 238,162 / 745, where both directions of a link are counted."
        ),
        note="Features are turned to 0/1, as PyTorch Geometric does.",
    ),
    Entry(
        name="computers",
        title="Amazon Computers, bought together",
        files=(
            _file(
                "graph",
                "Amazon/Computers/raw/amazon_electronics_computers.npz",
                f"{BENCHMARK_URL}/amazon_electronics_computers.npz",
                "736ba1d9fd85eac2da83a5ad25c463f04b0031a6ca01563f90a7099d9e8ffb2c",
                31921488,
            ),
        ),
        reader="gnn_npz:read",
        counts=Counts(13752, 245861, 767),
        licence="MIT (repository)",
        citation=SHCHUR,
        published="13,752 nodes, 491,722 directed links, 767 features in PyTorch Geometric.",
        note="Features are turned to 0/1, as PyTorch Geometric does.",
    ),
    Entry(
        name="coauthor-cs",
        title="Coauthor CS (Microsoft Academic)",
        files=(
            _file(
                "graph",
                "Coauthor/CS/raw/ms_academic_cs.npz",
                f"{BENCHMARK_URL}/ms_academic_cs.npz",
                "933c745734e78908c7eb77172a673fee0503f30e26e5a99b36814d88534c42e3",
                12835626,
            ),
        ),
        reader="gnn_npz:read",
        counts=Counts(18333, 81894, 6805),
        licence="MIT (repository)",
        citation=SHCHUR,
        note="Features are turned to 0/1, as PyTorch Geometric does.",
    ),
    Entry(
        name="coauthor-physics",
        title="Coauthor Physics (Microsoft Academic)",
        files=(
            _file(
                "graph",
                "Coauthor/Physics/raw/ms_academic_phy.npz",
                f"{BENCHMARK_URL}/ms_academic_phy.npz",
                "e4d68468eba5fb8f6b280ffd406bd53e6e4295ba1dd2967d6fe99b978e4b3375",
                16374005,
            ),
        ),
        reader="gnn_npz:read",
        counts=Counts(34493, 247962, 8415),
        licence="MIT (repository)",
        citation=SHCHUR,
        note="Features are turned to 0/1, as PyTorch Geometric does.",
    ),
    Entry(
        name="facebook",
        title="Facebook ego networks with attributes",
        files=(
            _file(
                "features",
                "AttributedGraphDataset/facebook/raw/attrs.npz",
                FACEBOOK_URL,
                "4a79a21bba66bd8e2ea434daeaee8f0e5a6c140aae7a788b874372f8f4c80df0",
                43499,
                member="attrs.npz",
                note="rebuilt from the ego networks of SNAP",
            ),
            _file(
                "edges",
                "AttributedGraphDataset/facebook/raw/edgelist.txt",
                FACEBOOK_URL,
                "f41c026ed8af3cc3359f1ca5573d0605fb09ae0eefa34544b820fd8c6e2ef296",
                854362,
                member="edgelist.txt",
                note="rebuilt from the ego networks of SNAP",
            ),
        ),
        reader="attributed:read",
        counts=Counts(4039, 88234, 1283),
        licence="none stated; SNAP asks to cite McAuley and Leskovec",
        citation="McAuley and Leskovec (2012), Learning social circles in ego networks, NIPS",
        labelled=False,
        published="MeBNS Table 1: 4,039 / 88,234 / 1,283, where each link is counted once.",
        note=(
            "The known hashes are those of files rebuilt from SNAP; no hash of the published "
            "archive is known, so its files need data.hashes. Single attributes and the order"
            " of columns may differ between the two. No labels: the circles overlap, so a "
            "node may have several."
        ),
    ),
    Entry(
        name="facebook-page",
        title="Facebook page-page network (MUSAE)",
        files=(
            _file(
                "edges",
                "musae/facebook/facebook_edges.csv",
                f"{MUSAE_URL}/edges/facebook_edges.csv",
                "7c50d8f02a75cc0829577814a1fc14535164daa38d79c3612340c9e9cdbd4022",
                1882610,
            ),
            _file(
                "features",
                "musae/facebook/facebook.json",
                f"{MUSAE_URL}/features/facebook.json",
                "ea870537646a93642a0008d38aa9bfeff02018070ba97b1f3f469d9622626436",
                2088766,
            ),
            _file(
                "targets",
                "musae/facebook/facebook_target.csv",
                f"{MUSAE_URL}/target/facebook_target.csv",
                "7bd96eafea3c2ca40f44bfa9e73642194696c21e38c7b29ed409c32ad14075cd",
                1177912,
            ),
        ),
        reader="musae:read",
        counts=Counts(22470, 170823, 4714, rows=171002, self_loops=179),
        licence="repository GPL-3.0; the same data in benedekrozemberczki/datasets: MIT",
        citation=MUSAE,
        published=(
            "PULL: 22,470 / 342,004 / 128; 342,004 is twice the 171,002 rows, self-loops included."
        ),
        note=(
            "Features are the 4,714 binary columns of the raw data. The 128 real columns of "
            "PyTorch Geometric (facebook.npz) cannot be computed from them."
        ),
        options={"label": "page_type"},
    ),
    Entry(
        name="chameleon",
        title="Wikipedia chameleon, 128 features",
        files=(
            _file(
                "graph",
                "WikipediaNetwork/chameleon/raw/chameleon.npz",
                "https://graphmining.ai/datasets/ptg/wiki/chameleon.npz",
                "e5ffd7ab31933c42d094f599aff53fd02e534ace78da2a8120e30500dfb05a26",
                2427546,
                note="as found; no published hash is known",
            ),
        ),
        reader="wikipedia_npz:read",
        counts=Counts(2277, 31371, 128, rows=72202),
        licence="none stated",
        citation=MUSAE,
        published=(
            "PULL: 2,277 / 36,101 / 2,325; 36,101 is the number of hyperlinks, half of the "
            "72,202 rows."
        ),
        note=(
            "The form that the published PULL code loads; its 128 features are not the 2,325 "
            "that the paper names (see chameleon-geom-gcn)."
        ),
    ),
    Entry(
        name="chameleon-geom-gcn",
        title="Wikipedia chameleon, 2,325 features",
        files=(
            _file(
                "edges",
                "WikipediaNetwork/chameleon/geom_gcn/raw/out1_graph_edges.txt",
                f"{GEOM_URL}/f1fc0d14b3b019c562737240d06ec83b07d16a8f/new_data/chameleon/out1_graph_edges.txt",
                "45ac593de9207470090230c8fd76beeb2f60b5371a9be088e8bf31e7f0619a4b",
                332448,
            ),
            _file(
                "nodes",
                "WikipediaNetwork/chameleon/geom_gcn/raw/out1_node_feature_label.txt",
                f"{GEOM_URL}/f1fc0d14b3b019c562737240d06ec83b07d16a8f/new_data/chameleon/out1_node_feature_label.txt",
                "5fd29736ff31b43a1bfcf305bc8b4cffc3103fb0957667976b2ea0f78aedcf5b",
                10602901,
            ),
        ),
        reader="geom_gcn:read",
        counts=Counts(2277, 31371, 2325, rows=36101, self_loops=50),
        licence="none stated",
        citation=GEOM_GCN,
        published="PULL: 2,277 / 36,101 / 2,325, where directed hyperlinks are counted.",
        note="The form that the PULL paper describes; its code loads the one called chameleon.",
    ),
    Entry(
        name="crocodile",
        title="Wikipedia crocodile, 13,183 features",
        files=(
            _file(
                "archive",
                "snap/wikipedia/wikipedia.zip",
                "https://snap.stanford.edu/data/wikipedia.zip",
                "aeef409fca6b08abe9e3751bf41839b2544d499f0eca174701f87c9f93c71b86",
                3784155,
                note="as found; no published hash is known",
            ),
        ),
        reader="musae:read_wikipedia",
        counts=Counts(11631, 170773, 13183, rows=180020, self_loops=145),
        licence="none stated; the archive asks to cite MUSAE",
        citation=MUSAE,
        labelled=False,
        published=(
            "PULL: 11,631 / 191,506 / 500; the raw data has 180,020 rows, so neither links "
            "nor features agree."
        ),
        note=(
            "Features are the 13,183 binary columns of the raw data. The real columns of the "
            "crocodile.npz that PyTorch Geometric loads cannot be computed from them."
        ),
        options={"page": "crocodile"},
    ),
    Entry(
        name="chameleon-directed",
        title="Wikipedia chameleon, links towards greater ids",
        files=(
            _file(
                "graph",
                "WikipediaNetwork/chameleon/raw/chameleon.npz",
                "https://graphmining.ai/datasets/ptg/wiki/chameleon.npz",
                "e5ffd7ab31933c42d094f599aff53fd02e534ace78da2a8120e30500dfb05a26",
                2427546,
                note="as found; no published hash is known",
            ),
        ),
        reader="one_direction:read_npz",
        counts=Counts(2277, 23370, 128, rows=23370, self_loops=0),
        licence="none stated",
        citation=MUSAE,
        published="PULL: 2,277 / 36,101 / 2,325; 36,101 is the number of hyperlinks.",
        note=(
            "A reading for comparison: only hyperlinks from the smaller to the greater node id, "
            "which is what PULL's split keeps of a directed list. 8,001 of the 31,371 links are "
            "missing and count as unlinked; use chameleon for all of them."
        ),
    ),
    Entry(
        name="crocodile-directed",
        title="Wikipedia crocodile, links towards greater ids",
        files=(
            _file(
                "archive",
                "snap/wikipedia/wikipedia.zip",
                "https://snap.stanford.edu/data/wikipedia.zip",
                "aeef409fca6b08abe9e3751bf41839b2544d499f0eca174701f87c9f93c71b86",
                3784155,
                note="as found; no published hash is known",
            ),
        ),
        reader="one_direction:read_wikipedia",
        counts=Counts(11631, 126699, 13183, rows=126699, self_loops=0),
        licence="none stated; the archive asks to cite MUSAE",
        citation=MUSAE,
        labelled=False,
        published=(
            "PULL: 11,631 / 191,506 / 500; 191,506 is 179,875 hyperlinks between two pages and "
            "11,631 self-loops."
        ),
        note=(
            "A reading for comparison: only hyperlinks from the smaller to the greater node id, "
            "which is what PULL's split keeps of a directed list. 44,074 of the 170,773 links are "
            "missing and count as unlinked; use crocodile for all of them."
        ),
        options={"page": "crocodile"},
    ),
    Entry(
        name="actor",
        title="Actors on the same Wikipedia page (film)",
        files=(
            _file(
                "edges",
                "Actor/raw/out1_graph_edges.txt",
                f"{GEOM_URL}/master/new_data/film/out1_graph_edges.txt",
                "997cdce67ea9c29257d3ffe796328391931901cf823830affa453178b60e2c3e",
                323820,
            ),
            _file(
                "nodes",
                "Actor/raw/out1_node_feature_label.txt",
                f"{GEOM_URL}/master/new_data/film/out1_node_feature_label.txt",
                "1d5cdd094f8b91e770f6decfca85b35cf42f75d1efb51055fd6af16e11820ff8",
                207718,
            ),
        ),
        reader="geom_gcn:read",
        counts=Counts(7600, 26659, 932, rows=33391),
        licence="none stated",
        citation=GEOM_GCN,
        published="7,600 nodes, 30,019 directed links, 932 features in PyTorch Geometric.",
        options={"f": 932},
    ),
    Entry(
        name="wikics",
        title="WikiCS, Wikipedia computer science articles",
        files=(
            RawFile(
                "graph",
                "WikiCS/raw/data.json",
                "https://github.com/pmernyei/wiki-cs-dataset/raw/master/dataset/data.json",
                (KnownHash("git_blob_sha1", "f1b743119df1a7a3bca449039c54034ae623a756"),),
            ),
        ),
        reader="wikics:read",
        counts=Counts(11701, None, 300),
        licence="see the repository pmernyei/wiki-cs-dataset",
        citation="Mernyei and Cangea (2020), Wiki-CS, arXiv:2007.02901",
        published="11,701 nodes and 300 features; the number of undirected links is not checked.",
    ),
    Entry(
        name="ogbl-ddi",
        title="Drug-drug interactions, official split",
        files=(
            _file(
                "edges",
                "ogb/ogbl_ddi/raw/edge.csv.gz",
                f"{OGB_URL}/linkproppred/ddi.zip",
                "b2c585f425f49b640ee5a3b451069124651ee0f2863a5b6ee6737a6b14c27a6e",
                2810105,
                member="ddi/raw/edge.csv.gz",
                note="as found in a folder that the OGB downloader wrote",
            ),
            _file(
                "nodes",
                "ogb/ogbl_ddi/raw/num-node-list.csv.gz",
                f"{OGB_URL}/linkproppred/ddi.zip",
                "8462870f1b8c5937c66600aeb460af98d4f9965639fcd30f72f97da95ab374e3",
                49,
                member="ddi/raw/num-node-list.csv.gz",
                note="as found in a folder that the OGB downloader wrote",
            ),
            _file(
                "train",
                "ogb/ogbl_ddi/split/target/train.pt",
                f"{OGB_URL}/linkproppred/ddi.zip",
                "694c82ba440b873e05f08eb18e1605362aaf9ee7ca12aff84fce0c9f4c8ad256",
                18156422,
                member="ddi/split/target/train.pt",
                note="as found in a folder that the OGB downloader wrote",
            ),
            _file(
                "valid",
                "ogb/ogbl_ddi/split/target/valid.pt",
                f"{OGB_URL}/linkproppred/ddi.zip",
                "4a48348f01fad0980a5be269fff7ace300e963144eef22d5ec4fc9830df872ac",
                3998900,
                member="ddi/split/target/valid.pt",
                note="as found in a folder that the OGB downloader wrote",
            ),
            _file(
                "test",
                "ogb/ogbl_ddi/split/target/test.pt",
                f"{OGB_URL}/linkproppred/ddi.zip",
                "b45cfcf1695babf5a13e90bdf08988be23570ca76af0737f9d517e005ea7e297",
                3888772,
                member="ddi/split/target/test.pt",
                note="as found in a folder that the OGB downloader wrote",
            ),
        ),
        reader="ogb:read_ddi",
        counts=Counts(4267, 1334889, 0),
        licence="see the page of ogbl-ddi at ogb.stanford.edu",
        citation=OGB,
        labelled=False,
        divided=True,
        published="MeBNS Table 1: 4,267 / 1,334,889 / none, over train, validation and test.",
        note=(
            "All links of the graph are those of the three official sides; the official "
            "negatives come with it. No features, no labels."
        ),
    ),
    Entry(
        name="ogbn-arxiv",
        title="arXiv computer science papers, citations",
        files=(
            _file(
                "edges",
                "ogb/ogbn_arxiv/raw/edge.csv.gz",
                f"{OGB_URL}/nodeproppred/arxiv.zip",
                member="arxiv/raw/edge.csv.gz",
            ),
            _file(
                "features",
                "ogb/ogbn_arxiv/raw/node-feat.csv.gz",
                f"{OGB_URL}/nodeproppred/arxiv.zip",
                member="arxiv/raw/node-feat.csv.gz",
            ),
            _file(
                "labels",
                "ogb/ogbn_arxiv/raw/node-label.csv.gz",
                f"{OGB_URL}/nodeproppred/arxiv.zip",
                member="arxiv/raw/node-label.csv.gz",
            ),
        ),
        reader="ogb:read_arxiv",
        counts=Counts(169343, 1157799, 128, rows=1166243),
        licence="see the page of ogbn-arxiv at ogb.stanford.edu",
        citation=OGB,
        published="169,343 nodes, 1,166,243 directed citations, 128 features.",
        note="No hash of its files is known here, so each must be stated in data.hashes.",
    ),
    Entry(
        name="ca-netscience",
        title="Co-authors in network science",
        files=(
            _file(
                "edges",
                "networkrepository/ca-netscience/ca-netscience.mtx",
                f"{NRVIS_URL}/ca-netscience.zip",
                "8a8931655b6b842995b966e9f3930cc33baf9a9b4bc119e6608acd012f3d03cc",
                6565,
                member="ca-netscience.mtx",
                note="as found; no published hash is known",
            ),
        ),
        reader="matrix_market:read",
        counts=Counts(379, 914, 0, rows=914, self_loops=0),
        licence="none stated; Network Repository asks to cite Rossi and Ahmed",
        citation=ROSSI,
        labelled=False,
        published="FGAT: 379 / 914.",
        note="No features, no labels.",
    ),
    Entry(
        name="ca-sandi-auths",
        title="Co-authors at Sandia",
        files=(
            _file(
                "edges",
                "networkrepository/ca-sandi_auths/ca-sandi_auths.mtx",
                f"{NRVIS_URL}/ca-sandi_auths.zip",
                "d869e4a97411c6802ac90548820847a8cc08dc2c6078deb648d388666c61d1c4",
                1027,
                member="ca-sandi_auths.mtx",
                note="as found; no published hash is known",
            ),
        ),
        reader="matrix_market:read",
        counts=Counts(86, 124, 0, rows=124, self_loops=0),
        licence="none stated; Network Repository asks to cite Rossi and Ahmed",
        citation=ROSSI,
        labelled=False,
        published="FGAT: 86 / 124.",
        note="No features, no labels.",
    ),
)
"""All data sets; look one up with `entry`."""

CATALOG = {item.name: item for item in ENTRIES}
DIVIDED = tuple(item.name for item in ENTRIES if item.divided)
UNLABELLED = tuple(item.name for item in ENTRIES if not item.labelled)


def names() -> list[str]:
    """Names of all data sets, sorted."""
    return sorted(CATALOG)


def entry(name: str) -> Entry:
    """The data set called `name`.

    Raises:
        DataError: no such data set; the text names the nearest and all that exist.
    """
    if name not in CATALOG:
        raise DataError(f"{name!r}: no such data set{suggest(name, CATALOG)}")
    return CATALOG[name]
