import io
import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from bot.redaction import install

TOKEN = "123456789:AAfake-token_which/must+never-show"


class Log:
    """A handler with a formatter of its own, on the root, at DEBUG."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))

    @property
    def text(self) -> str:
        return self.stream.getvalue()


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    root = logging.getLogger()
    level = root.level
    root.addHandler(log.handler)
    root.setLevel(logging.DEBUG)
    undo = install([SecretStr(TOKEN), "pass phrase/1", ""])
    yield log
    undo()
    root.setLevel(level)
    root.removeHandler(log.handler)


logger = logging.getLogger("some.library")


def leak() -> None:
    raise ValueError(f"cannot reach https://host/bot{TOKEN}/getMe")


def test_messages_and_arguments(log: Log) -> None:
    logger.info("token %s", TOKEN)
    logger.debug("url %r", {"url": f"https://host/bot{TOKEN}/getMe".encode()})
    logger.info("both %(a)s", {"a": "pass phrase/1"})
    assert log.text == (
        "INFO some.library token ***\n"
        "DEBUG some.library url {'url': b'https://host/bot***/getMe'}\n"
        "INFO some.library both ***\n"
    )


def test_percent_encoded_as_in_a_url(log: Log) -> None:
    logger.info("GET /?token=%s&p=%s", "123456789%3AAAfake-token_which%2Fmust%2Bnever-show", "pass%20phrase%2F1")
    assert log.text == "INFO some.library GET /?token=***&p=***\n"


def test_tracebacks_of_an_error_and_of_its_cause(log: Log) -> None:
    try:
        try:
            leak()
        except ValueError as error:
            raise RuntimeError(f"gave up on {TOKEN}") from error
    except RuntimeError:
        logger.exception("failed")
    assert TOKEN not in log.text
    assert "RuntimeError: gave up on ***" in log.text
    assert "ValueError: cannot reach https://host/bot***/getMe" in log.text
    assert "in leak" in log.text


def test_extra_fields_reach_a_handler_clean(log: Log) -> None:
    log.handler.setFormatter(logging.Formatter("%(message)s %(url)s"))
    logger.info("called", extra={"url": f"https://host/bot{TOKEN}"})
    assert log.text == "called https://host/bot***\n"


def test_a_handler_added_later_is_covered(log: Log) -> None:
    late = Log()
    logger.addHandler(late.handler)
    try:
        logger.warning("again %s", TOKEN)
    finally:
        logger.removeHandler(late.handler)
    assert late.text == "WARNING some.library again ***\n"


def test_a_record_that_cannot_be_formatted_is_told_clean(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    logger.error("%d tokens", TOKEN)
    assert log.text == "ERROR some.library '%d tokens' with arguments ('***',) (cannot be formatted)\n"
    assert capsys.readouterr().err == ""


def test_what_holds_no_secret_is_left_alone(log: Log) -> None:
    try:
        raise KeyError("plain")
    except KeyError:
        logger.exception("100%% of %s", 5)
    assert log.text.startswith("ERROR some.library 100% of 5\nTraceback")


def test_nothing_is_left_behind_when_it_is_undone() -> None:
    before = logging.getLogRecordFactory()
    install([TOKEN])()
    assert logging.getLogRecordFactory() is before


def test_a_word_too_short_to_be_a_secret_does_not_blot_out_the_log(log: Log) -> None:
    undo = install(["a"])
    logger.info("banana")
    undo()
    assert log.text == "INFO some.library banana\n"
