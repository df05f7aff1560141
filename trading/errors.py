"""The error tree. Each branch names what the caller owes.

GavelError
|-- Transient            retry later, nothing happened
|   |-- VenueDown        the venue could not be reached, and the request did not leave
|   |-- RateLimited      the venue asked for a pause (`retry_after` seconds)
|   |-- ClockOff         the venue refused a request for its time (venues/exchange/classify.py)
|   `-- Garbled          an answer of an undocumented shape (venues/exchange/parsing.py)
|-- NoEvidence           abstain: this input is missing or stale
|-- UnknownOutcome       reconcile: the request may or may not have been carried out
|-- OrderRejected        the venue said no; nothing happened and nothing will
|-- JournalUnwritable    stop entries: what is not written did not happen
`-- Misuse               stop: a person has to mend something
    |-- BadSettings      the environment
    |-- BadPlaybook      a playbook file
    |-- BadHistory       a candle file
    |-- BadBallots       a file of recorded ballots
    |-- BadModels        the file of language models
    |-- BadRecord        what the database holds
    |-- BadWallets       a file of labelled wallets
    |-- BadWhaleModel    a classifier's file, or what it is trained from
    |-- ForeignHost      a request was about to go to a host that is not the exchange's (venues/exchange/hosts.py)
    `-- IllegalTransition  a state was asked to go where its table has no way
"""


class GavelError(Exception):
    """Root of everything this project raises on purpose."""


class Transient(GavelError):
    """Nothing happened; the same request may be made later."""


class VenueDown(Transient):
    """The venue could not be reached, and the request certainly did not leave."""


class RateLimited(Transient):
    """The venue asked for a pause."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NoEvidence(GavelError):
    """An input that a decision needs is missing or too old: abstain."""


class UnknownOutcome(GavelError):
    """A request left and its answer did not come back: look it up by client id, never send again blindly."""


class OrderRejected(GavelError):
    """The venue refused an order. `code` is the venue's own word for it."""

    def __init__(self, reason: str, *, code: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class JournalUnwritable(GavelError):
    """The journal did not take a transaction: entries stop until it does."""


class Misuse(GavelError):
    """Something only a person can mend; the message says what and where."""


class BadSettings(Misuse):
    """One or more environment variables are wrong; the message names all of them."""


class BadPlaybook(Misuse):
    """A playbook file does not fit the schema; the message names key, expectation and nearest key."""


class BadHistory(Misuse):
    """A candle file cannot be used; the message names file, line and reason."""


class BadBallots(Misuse):
    """A file of recorded ballots cannot be used; the message names every bad line."""


class BadModels(Misuse):
    """The file of language models cannot be used, or has no model of that name; the message names every fault."""


class BadRecord(Misuse):
    """The database holds something that its own code did not write."""


class BadWallets(Misuse):
    """A file of labelled wallets cannot be used; the message names every bad entry."""


class BadWhaleModel(Misuse):
    """A wallet classifier's file does not fit this version, or cannot be trained; the message says what and where."""


class IllegalTransition(Misuse):
    """A state machine was asked for a step its table does not have."""
