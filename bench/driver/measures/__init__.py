"""All measures, in the order of the table."""

from . import bytes, lighthouse, memory, pages, paint, postgres, protected, refreshes, signins, start, token

ALL = {
    "protected": protected.measure,
    "token": token.measure,
    "pages": pages.measure,
    "bytes": bytes.measure,
    "signins": signins.measure,
    "refreshes": refreshes.measure,
    "postgres": postgres.measure,
    "memory": memory.measure,
    "start": start.measure,
    "lighthouse": lighthouse.measure,
    "paint": paint.measure,
}
