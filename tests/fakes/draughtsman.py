"""A process in the place of bot.charts.worker that does what a picture's title says: "hang", "die", "fail", "pid",
"environment"; anything else is answered with the number of its picture. `python -m tests.fakes.draughtsman`."""

import os
import pickle
import sys
import time

from bot.charts.worker import ANSWER, LENGTH


def _answer(title: str, number: int) -> tuple[int, bytes]:
    match title:
        case "hang":
            time.sleep(3600)
        case "die":
            os._exit(3)
        case "fail":
            return 0, b"ValueError: no such picture"
        case "pid":
            return 1, str(os.getpid()).encode()
        case "environment":
            return 1, "\n".join(sorted(os.environ)).encode()
    return 1, str(number).encode()


if __name__ == "__main__":
    number = 0
    while len(head := sys.stdin.buffer.read(LENGTH.size)) == LENGTH.size:
        number += 1
        picture, _ = pickle.loads(sys.stdin.buffer.read(*LENGTH.unpack(head)))
        made, answer = _answer(picture.title, number)
        sys.stdout.buffer.write(ANSWER.pack(made, len(answer)) + answer)
        sys.stdout.buffer.flush()
