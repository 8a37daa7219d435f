"""Text for a chat, of which nobody knows which: nothing in it calls anybody, leads anywhere or hides.

Every chat has its own marks, and apprise hands plain text to most as it is: Slack's and Google's `<!channel>` and
`<url|text>`, `@everyone` nearly everywhere, Markdown's links and images in Discord, Mattermost and Zulip. A character
without width parts each of them.
"""

from __future__ import annotations

import re

from clusters.commands import PLACEHOLDER
from reports.markup import parted

_APART = "\u200b"
_MARK = re.compile(
    rf"(?P<placeholder>{PLACEHOLDER.pattern})|(?P<mark><|!(?=\[)|\](?=[(\[:])|([|~*_`])(?=\3))"
)


def quiet(text: str) -> str:
    """The text, to look the same in every chat and do nothing there."""
    return _MARK.sub(lambda found: found["placeholder"] or f"{found['mark']}{_APART}", parted(text))
