"""Captures: from a file, a stream or bytes to batches of frames."""

from analyzer.capture.batch import FrameBatch
from analyzer.capture.reader import Capture, open_capture

__all__ = ["open_capture", "Capture", "FrameBatch"]
