"""One turn: asks the model, settles what can be settled at once, says what is to be run."""

from functools import cache

from temporalio import activity

from activities.admission import Admissions
from activities.asking import Asking
from activities.dossiers import Dossiers
from activities.failover import Failover
from activities.tools import TOOLS, schema
from activities.turns import CallModelInput, CallModelResult, planned, refused, settle
from domain.agents import AGENTS
from domain.dossier import Dossier
from domain.errors import NotAdmitted
from domain.event import MessageReceived, NoteAdded, TurnAnswered
from domain.model import ModelRequest, ToolSchema
from domain.notes import failed_check, note_text
from domain.policies import policy
from domain.ports import Clock, Journal, Models, Prompts, SharedWeather
from domain.prompt import first_message, system_prompt
from domain.record import NewEvent
from domain.secrets import Mask
from domain.terms import Site
from domain.tool import DELEGATE, ToolPolicy
from domain.weather import WeatherRules


class ModelActivities:
    def __init__(
        self,
        journal: Journal,
        dossiers: Dossiers,
        models: Models,
        prompts: Prompts,
        clock: Clock,
        mask: Mask,
        weather: SharedWeather,
        rules: WeatherRules,
        site: Site,
    ) -> None:
        self._journal = journal
        self._dossiers = dossiers
        self._prompts = prompts
        admissions = Admissions(journal, dossiers, models, clock, site)
        asking = Asking(journal, models, mask, admissions, weather, rules)
        self._failover = Failover(journal, asking, clock, rules)

    @activity.defn
    async def call_model(self, input: CallModelInput) -> CallModelResult:
        """Answers from the journal where the turn is recorded; otherwise the model is asked, and then it is."""
        dossier = await self._dossiers.of(input.run_id)
        if input.messages or input.notes:
            await self._deliver(input, dossier)
            dossier = await self._dossiers.of(input.run_id)
        answered = dossier.answer(input.turn)
        if answered is None:
            try:
                answered = await self._ask(input, dossier)
            except NotAdmitted as error:
                await self._failover.over(input, dossier)
                return refused(error.refusal)
            if dossier.answer(input.turn) is None:
                # Others recorded something meanwhile, so that it was not taken in at once.
                dossier = await self._dossiers.of(input.run_id)
        rules = (_tools(input, dossier), self._policy(input.agent, dossier), dossier.granted)
        # Only for the answer that stands: of two attempts that both asked, one comes too late with another answer.
        settled = [one for one in settle(answered, *rules) if one.call not in dossier.returned]
        if settled:
            events = [NewEvent(key=f"{one.call}/returned", event=one) for one in settled]
            for recorded in await self._journal.record(input.run_id, events):
                self._dossiers.add(input.run_id, recorded)
        waited = await self._failover.over(input, dossier)
        return planned(answered, *rules).model_copy(update={"waited_seconds": waited})

    async def _deliver(self, input: CallModelInput, dossier: Dossier) -> None:
        events = [
            NewEvent(
                key=f"message/{message.message_id}",
                event=MessageReceived(
                    message_id=message.message_id,
                    turn=input.turn,
                    phase=input.phase,
                    text=message.text,
                    by=message.by,
                ),
            )
            for message in input.messages
        ]
        for number, note in enumerate(input.notes, input.told):
            failed = [one for one in dossier.checks(note.round) if failed_check(one)]
            told = NoteAdded(turn=input.turn, phase=input.phase, text=note_text(note, failed))
            events.append(NewEvent(key=f"turn/{input.turn}/note/{number}", event=told))
        await self._journal.record(input.run_id, events)

    async def _ask(self, input: CallModelInput, dossier: Dossier) -> TurnAnswered:
        answer, *_ = await self._failover.ask(input, dossier, lambda name: self._request(input, name, dossier))
        self._dossiers.add(input.run_id, answer)
        assert isinstance(answer.event, TurnAnswered)
        return answer.event

    def _request(self, input: CallModelInput, name: str, dossier: Dossier) -> ModelRequest:
        definition = AGENTS[input.agent]
        instructions = self._prompts.instructions(definition.instructions)
        plan = None if input.phase == "plan" else dossier.plan
        opening = first_message(dossier.spec, input.phase, plan)
        return ModelRequest(
            model=name,
            system=system_prompt(instructions, definition, dossier.spec, dossier.rules, plan, dossier.terms.network),
            tools=_offered(_tools(input, dossier)),
            messages=tuple(dossier.conversation.messages(input.phase, opening)),
            max_output_tokens=definition.max_output_tokens,
        )

    def _policy(self, agent: str, dossier: Dossier) -> ToolPolicy:
        named = dossier.spec.tool_policy
        return AGENTS[agent].tool_policy if named == "default" else policy(named)


def _tools(input: CallModelInput, dossier: Dossier) -> tuple[str, ...]:
    """Those of its kind; where it works and does not plan, also what the operator gave it."""
    more = dossier.terms.tools if input.phase == "work" else ()
    limits, own = dossier.spec.limits, AGENTS[input.agent].tools
    if not limits.children or dossier.depth >= limits.depth:
        own = tuple(one for one in own if one != DELEGATE)
    return (*own, *(one for one in more if one not in own))


@cache
def _offered(tools: tuple[str, ...]) -> tuple[ToolSchema, ...]:
    """The same objects each turn: adapters keep their serialised form."""
    return tuple(schema(TOOLS[tool]) for tool in tools)
