"""A small real OpenID provider for tests: discovery, login without a question, signed ID tokens, keys. Loopback only.

`OIDC_PROVIDER_PORT=... python -m tests.labeler_ui.oidc_provider`; who logs in is read from `who.json` in the
working folder.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "borderline", "the-client's-own-secret"
KEY = RSAKey.generate_key(2048, parameters={"kid": "test", "use": "sig"})
PORT = int(os.environ.get("OIDC_PROVIDER_PORT", "0"))
ISSUER = f"http://127.0.0.1:{PORT}"
codes: dict[str, dict[str, Any]] = {}


async def discovery(request: Request) -> Response:
    return JSONResponse(
        {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }
    )


async def authorize(request: Request) -> Response:
    """Know at once who it is, and send them back with a code."""
    asked = request.query_params
    assert asked["client_id"] == CLIENT_ID
    code = secrets.token_urlsafe(16)
    codes[code] = {"nonce": asked["nonce"], "challenge": asked["code_challenge"], "uri": asked["redirect_uri"]}
    return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 302)


async def token(request: Request) -> Response:
    """Check the client, the code and its verifier, and sign who it is."""
    form = await request.form()
    given = request.headers.get("authorization", "").removeprefix("Basic ")
    expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    found = codes.pop(str(form["code"]), None)
    digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
    proven = found and base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == found["challenge"]
    if not found or not proven or (given != expected and form.get("client_secret") != CLIENT_SECRET):
        return JSONResponse({"error": "invalid_grant"}, status_code=400)
    who = json.loads(Path("who.json").read_text())
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": found["nonce"], **who}
    signed = jwt.encode({"alg": "RS256", "kid": "test"}, claims, KEY)
    return JSONResponse({"access_token": "a", "token_type": "Bearer", "expires_in": 300, "id_token": signed})


async def keys(request: Request) -> Response:
    return JSONResponse({"keys": [KEY.as_dict(private=False)]})


ROUTES = [
    Route("/.well-known/openid-configuration", discovery),
    Route("/authorize", authorize),
    Route("/token", token, methods=["POST"]),
    Route("/keys", keys),
]

if __name__ == "__main__":
    uvicorn.run(Starlette(routes=ROUTES), host="127.0.0.1", port=PORT, log_level="warning")
