"""The gateway of the fake Discord: HELLO, IDENTIFY, READY, RESUME, heartbeats, and what can go wrong with them."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from tests.fakes.discord_markup import Json

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
GUILDS_ONLY = 1  # the one intent that is taken


@dataclass(slots=True)
class _Session:
    id: str
    events: list[Json] = field(default_factory=list)  # all that was ever told, the first has the number 1


class GatewayEnd:
    """One bot's sessions. `ready` gives what READY says, `after` the events that follow it."""

    def __init__(self, *, token: str, ready: Callable[[], Json], after: Callable[[], list[tuple[str, Json]]]) -> None:
        self._token = token
        self._ready = ready
        self._after = after
        self.url = ""
        self.identified = 0
        self.identified_at: list[float] = []  # by the event loop's time
        self.resumed = 0
        self.connections = 0
        self.heard: list[int] = []  # op codes, in their order
        self.refusing = False  # nobody is let in
        self.silent = False  # HELLO is all there is
        self.deaf = False  # no heartbeat is answered
        self.throw_out = 0  # so many times, as soon as it is ready or has resumed
        self.heartbeat = 41.25  # seconds
        self.mangle: Callable[[Json], Json] = lambda told: told  # what is done to interactions on their way
        self._sessions: dict[str, _Session] = {}
        self._session: _Session | None = None
        self._socket: web.WebSocketResponse | None = None
        self._live = False  # identified or resumed on this connection
        self._out: asyncio.Queue[Json | int] = asyncio.Queue()

    @property
    def connected(self) -> bool:
        return self._live

    def dispatch(self, event: str, data: Json) -> bool:
        """Tell the bot, now or after it has resumed. False: there is no session, and nobody will ever hear it."""
        if self._session is None:
            return False
        told = self.mangle(data) if event == "INTERACTION_CREATE" else data
        self._session.events.append({"op": DISPATCH, "t": event, "s": len(self._session.events) + 1, "d": told})
        if self._live:
            self._out.put_nowait(self._session.events[-1])
        return True

    def last(self) -> Json:
        """What was told last."""
        assert self._session is not None
        told: Json = self._session.events[-1]["d"]
        return told

    def drop(self, code: int = 4000) -> None:
        """Close the connection; what happens from now on is told to who resumes."""
        self._live = False
        self._out.put_nowait(code)

    def ask_to_reconnect(self) -> None:
        self._out.put_nowait({"op": RECONNECT, "d": None})
        self._live = False

    def forget_sessions(self) -> None:
        self._sessions.clear()

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.connections += 1
        if self.refusing:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._socket, self._out, self._live = socket, asyncio.Queue(), False
        await socket.send_json({"op": HELLO, "d": {"heartbeat_interval": int(self.heartbeat * 1000)}})
        writer = asyncio.create_task(self._write(socket, self._out))
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    await self._hear(socket, json.loads(frame.data))
        finally:
            writer.cancel()
            if self._socket is socket:
                self._socket, self._live = None, False
        return socket

    async def _write(self, socket: web.WebSocketResponse, out: "asyncio.Queue[Json | int]") -> None:
        while True:
            said = await out.get()
            if isinstance(said, int):
                await socket.close(code=said)
                return
            await socket.send_json(said)

    async def _hear(self, socket: web.WebSocketResponse, said: Json) -> None:
        self.heard.append(said["op"])
        if said["op"] == HEARTBEAT and not self.deaf:
            self._out.put_nowait({"op": ACK})
        elif said["op"] in (IDENTIFY, RESUME) and said["d"]["token"] != self._token:
            await socket.close(code=4004)
        elif said["op"] == IDENTIFY and not self.silent:
            self._identify(said["d"])
        elif said["op"] == RESUME and not self.silent:
            self._resume(said["d"])

    def _identify(self, asked: Json) -> None:
        self.identified += 1
        self.identified_at.append(asyncio.get_running_loop().time())
        if asked["intents"] != GUILDS_ONLY:
            self.drop(4014)
            return
        self._session = _Session(f"session{self.identified}")
        self._sessions[self._session.id] = self._session
        self._live = True
        self.dispatch("READY", self._ready() | {"session_id": self._session.id, "resume_gateway_url": self.url})
        for event, data in self._after():
            self.dispatch(event, data)
        self._throw_out()

    def _resume(self, asked: Json) -> None:
        found = self._sessions.get(asked["session_id"])
        if found is None:
            self._out.put_nowait({"op": INVALID, "d": False})
            return
        self.resumed += 1
        self._session = found
        for event in found.events[asked["seq"] :]:
            self._out.put_nowait(event)
        self._live = True
        self.dispatch("RESUMED", {})
        self._throw_out()

    def _throw_out(self) -> None:
        if self.throw_out > 0:
            self.throw_out -= 1
            self.drop()
