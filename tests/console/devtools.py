"""A page in Debian's chromium, driven by its debugging protocol: clicks, keys, questions; what went wrong in it."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

DEADLINE = 120.0
_AXE = (
    "axe.run({resultTypes: ['violations']}).then((found) => "
    "found.violations.map((one) => `${location.href} ${one.id}: ${one.nodes[0].html}`))"
)
_KEYS = {"Enter": ("\r", 13), "Escape": ("", 27), "Tab": ("", 9), "[": ("[", 219), "]": ("]", 221)}


class BrowserPage:
    """`faults` are exceptions of scripts, violations of the policy, and requests to another host."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[Any], origin: str) -> None:
        self._socket = socket
        self._origin = origin
        self._last = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.faults: list[str] = []

    async def listen(self) -> None:
        """Until the connection ends."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            else:
                self._happened(said["method"], said["params"])

    def _happened(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.faults.append(json.dumps(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["source"] == "security":
            self.faults.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith((self._origin, "about:", "chrome:", "data:")):  # its own pictures of fields are data
                self.faults.append(f"request to {url}")

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[self._last] = answer
        await self._socket.send_json({"id": self._last, "method": method, "params": params})
        async with asyncio.timeout(DEADLINE):
            said = await answer
        assert "error" not in said, said
        return dict(said["result"])

    async def value(self, script: str) -> Any:
        """What an expression is in the page; None while another page is being loaded."""
        said = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return None if "exceptionDetails" in said else said["result"].get("value")

    async def broken_rules(self, axe: str) -> list[str]:
        """What axe-core, whose text is given, finds against the page as it is: rules with the first of their places."""
        await self.call("Runtime.evaluate", expression=axe)
        said = await self.call("Runtime.evaluate", expression=_AXE, awaitPromise=True, returnByValue=True)
        return [str(one) for one in said["result"]["value"]]

    async def until(self, script: str) -> Any:
        """Wait until an expression is true."""
        try:
            async with asyncio.timeout(DEADLINE):
                while not (found := await self.value(script)):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            text = await self.value("document.body.innerText")
            raise AssertionError(f"not so in time: {script}\n{self.faults}\n{text}") from None
        return found

    async def go(self, path: str) -> None:
        await self.call("Page.navigate", url=f"{self._origin}{path}")
        await self.ready(path.partition("?")[0])

    async def ready(self, path: str) -> None:
        """Wait until the page of this path is there, scripts included."""
        where = f"location.pathname === {json.dumps(path)} && document.readyState === 'complete'"
        await self.until(f"{where} && document.body.dataset.ready === 'yes'")

    async def press(self, *keys: str) -> None:
        for key in keys:
            text, code = _KEYS.get(key, (key, 0))
            common: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": code or ord(key.upper())}
            await self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
            await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def click(self, selector: str) -> None:
        """With the mouse, in the middle of the first that is there."""
        find = f"document.querySelector({json.dumps(selector)})"
        await self.until(f"{find} !== null")
        box = await self.value(
            f"(() => {{ const one = {find}; one.scrollIntoView({{block: 'center'}}); "
            "const at = one.getBoundingClientRect(); return [at.x + at.width / 2, at.y + at.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)


@asynccontextmanager
async def browser_page(chromium: Sequence[str], folder: Path, origin: str) -> AsyncIterator[BrowserPage]:
    """An empty page, for the length of the block."""
    command = [
        *chromium,
        f"--user-data-dir={folder}",
        "--remote-debugging-port=0",
        "--window-size=1280,900",
        "about:blank",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            async with aiohttp.ClientSession() as session, session.ws_connect(await _target(session, folder)) as socket:
                page = BrowserPage(socket, origin)
                listening = asyncio.create_task(page.listen())
                for part in ("Runtime", "Log", "Network", "Page"):
                    await page.call(f"{part}.enable")
                yield page
                await socket.close()
                await listening
        finally:
            process.kill()


async def _target(session: aiohttp.ClientSession, folder: Path) -> str:
    """The address of the first page, once the browser has one."""
    async with asyncio.timeout(DEADLINE):
        while True:
            file = folder / "DevToolsActivePort"
            port = file.read_text().partition("\n")[0] if file.exists() else ""
            if port:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    pages = [one for one in await answer.json() if one["type"] == "page"]
                if pages:
                    return str(pages[0]["webSocketDebuggerUrl"])
            await asyncio.sleep(0.05)
