"""An OpenID provider: authorization code with PKCE, keys that can be changed, and ID tokens that can be spoiled."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey

from router.console.oidc import challenge

CLIENT_ID = "console"


class OidcProvider:
    """`claims` is who signs in; `spoil` is laid over the claims of each token that it gives."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256", "use": "sig"})
        self.signs_with = self.key
        self.claims: dict[str, Any] = {"sub": "1", "preferred_username": "vera", "groups": ["people"]}
        self.spoil: dict[str, Any] = {}
        self.calls: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._configuration)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_get("/keys", self._keys)
        self.server = TestServer(app)

    @property
    def issuer(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    async def _configuration(self, request: web.Request) -> web.Response:
        self.calls.append("configuration")
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return web.json_response(
            {"issuer": self.issuer} | {name: f"{self.issuer}/{path}" for name, path in places.items()}
        )

    async def _authorize(self, request: web.Request) -> web.Response:
        """Whoever comes has signed in before, and is sent back at once."""
        asked = dict(request.query)
        assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == (
            "code", CLIENT_ID, "S256",
        )  # fmt: skip
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        back = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
        return web.Response(status=302, headers={"Location": back})

    async def _token(self, request: web.Request) -> web.Response:
        """A code is taken once, from whoever knows the verifier behind the challenge."""
        form = await request.post()
        asked = self._codes.pop(str(form["code"]), None)
        if asked is None or challenge(str(form["code_verifier"])) != asked["code_challenge"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        assert form["redirect_uri"] == asked["redirect_uri"]
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims |= self.claims | self.spoil
        header = {"alg": "ES256", "kid": self.signs_with.kid}
        token = jwt.encode(
            header, {name: value for name, value in claims.items() if value is not None}, self.signs_with
        )
        return web.json_response({"access_token": "not used", "token_type": "Bearer", "id_token": token})

    async def _keys(self, request: web.Request) -> web.Response:
        self.calls.append("keys")
        shared = {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}  # is never to be trusted
        return web.json_response({"keys": [self.key.as_dict(private=False), shared]})
