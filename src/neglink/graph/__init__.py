"""Ground floor: graphs, sparse products that differentiate, and tests of what is a link."""

from neglink.graph.graph import Cleaning, Graph, clean_links
from neglink.graph.io import load_graph, save_graph

__all__ = ["Cleaning", "Graph", "clean_links", "load_graph", "save_graph"]
