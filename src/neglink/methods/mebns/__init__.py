"""MeBNS: meta-bootstrapping negative sampling (Wang et al., WSDM 2024)."""

from neglink.methods.mebns.method import MeBNS

__all__ = ["MeBNS"]
