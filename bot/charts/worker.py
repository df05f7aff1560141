"""The process that draws: `python -m bot.charts.worker`. It reads pictures and writes PNGs until its input ends.

A job is a length and a pickle of (picture, dark); an answer is a byte, 1 for a PNG and 0 for what went wrong, a length,
and the bytes. What is read comes from the desk's own process and from nowhere else.
"""

import gc
import os
import pickle
import signal
import struct
import sys
from typing import BinaryIO

LENGTH = struct.Struct(">I")
ANSWER = struct.Struct(">BI")
_NICE = 10  # quotes and orders come first


def _answer(job: bytes) -> tuple[int, bytes]:
    try:
        from bot.charts.gallery import png

        picture, dark = pickle.loads(job)  # noqa: S301 - our own parent's
        return 1, png(picture, dark=dark)
    except Exception as error:  # noqa: BLE001 - one picture that cannot be drawn is not the end of the others
        return 0, f"{type(error).__name__}: {error}".encode()


def serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    while len(head := jobs.read(LENGTH.size)) == LENGTH.size:
        ok, answer = _answer(jobs.read(*LENGTH.unpack(head)))
        answers.write(ANSWER.pack(ok, len(answer)) + answer)
        answers.flush()
        gc.collect()  # a figure and its canvas hold each other


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the desk, which then ends this process in order
    os.nice(_NICE)
    serve(sys.stdin.buffer, sys.stdout.buffer)
