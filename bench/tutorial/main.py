"""The app that the tutorial builds: it issues a token to anyone, and has a route that requires a token.

JWT=jose is the library of the tutorial, JWT=pyjwt the alternative. HASH=none is what the tutorial does. With HASH=bcrypt or
HASH=argon2 the password of the form is verified first, which every real app must add.
"""

import os
from datetime import datetime, timedelta, timezone

from fastapi import Depends, FastAPI, Form, HTTPException
from fastapi.security import OAuth2PasswordBearer

if os.environ.get("JWT", "jose") == "jose":
    from jose import JWTError as BadToken
    from jose import jwt
else:
    import jwt
    from jwt import PyJWTError as BadToken

KEY = "a key of the measurements and of nothing else"
PASSWORD = "quiet harbour lantern"

app = FastAPI()
bearer = OAuth2PasswordBearer(tokenUrl="token")


def new_token() -> dict:
    expires = datetime.now(timezone.utc) + timedelta(minutes=30)
    token = jwt.encode({"sub": "user123", "exp": expires}, KEY, algorithm="HS256")
    return {"access_token": token, "token_type": "bearer"}


def name_in(token: str = Depends(bearer)) -> str:
    refused = HTTPException(401, "Could not validate credentials", {"WWW-Authenticate": "Bearer"})
    try:
        name = jwt.decode(token, KEY, algorithms=["HS256"]).get("sub")
    except BadToken:
        raise refused
    if name is None:
        raise refused
    return name


@app.get("/protected")
def protected(name: str = Depends(name_in)):
    return {"message": f"Hello, {name}! This is a protected route."}


kind = os.environ.get("HASH", "none")

if kind == "none":

    @app.post("/token")
    def token():
        return new_token()

else:
    if kind == "bcrypt":
        from passlib.context import CryptContext

        context = CryptContext(schemes=["bcrypt"])
        stored = context.hash(PASSWORD)

        def is_right(password: str) -> bool:
            return context.verify(password, stored)

    else:
        from argon2 import PasswordHasher
        from argon2.exceptions import VerifyMismatchError

        hasher = PasswordHasher()
        stored = hasher.hash(PASSWORD)

        def is_right(password: str) -> bool:
            try:
                return hasher.verify(stored, password)
            except VerifyMismatchError:
                return False

    @app.post("/token")
    def token(username: str = Form(), password: str = Form()):
        if not is_right(password):
            raise HTTPException(400, "Incorrect username or password")
        return new_token()
