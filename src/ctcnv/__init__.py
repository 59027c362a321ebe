"""ctcnv: copy number and tumor fraction from shallow plasma sequencing."""

__version__ = "0.1.0"
