"""Geodesics of decoders and ensembles: `geodesics` solves, the other modules are its parts."""

from metrics.geodesics.solver import Geodesics as Geodesics
from metrics.geodesics.solver import curve_lengths as curve_lengths
from metrics.geodesics.solver import geodesics as geodesics
from metrics.geodesics.solver import published_length as published_length
