"""A model that says what a file tells it, served over real HTTP in the OpenAI and the Anthropic format.

It keeps nothing between requests: which turn it gives follows from the request alone (the number of assistant
messages in it), so a killed and resumed run is answered as an undisturbed one would be. It checks what it is sent as
strictly as the real services do, and counts calls beside that (`GET /counts`). The format of scripts is in
docs/scripted-models.md.

    server = await ScriptedServer([Path("scripts")]).start()   # SCRIPTED_BASE_URL=server.base_url
    python -m adapters.models.scripted --port 0 --script DIR    # prints {"url": ...}
"""

from adapters.models.scripted.counts import ConversationCount, Counts
from adapters.models.scripted.faults import Fault
from adapters.models.scripted.script import SHIPPED, Script, read_script
from adapters.models.scripted.server import ScriptedServer

__all__ = ["SHIPPED", "ConversationCount", "Counts", "Fault", "Script", "ScriptedServer", "read_script"]
