"""`apply_patch`: changes in several places and files at once, in V4A."""

from pydantic import Field

from activities.tools.contract import Arguments, Tool, ToolContext, ToolOutcome, said
from activities.tools.files import move, read_whole, refuse_hidden, remove, resolve, write_whole
from activities.tools.patch_text import FilePatch, parse_patch, patched_paths
from activities.tools.patching import patched
from domain.errors import ModelMistake
from domain.tool import ToolDefinition

DESCRIPTION = """\
Applies a patch to files. Its format:

*** Begin Patch
*** Update File: src/a.py
@@ def f():
 a line that stays
-a line that goes
+a line that comes
*** Add File: src/b.py
+a line of the new file
*** Delete File: src/c.py
*** End Patch

A change carries about three lines of context above and below, copied exactly and without line numbers. Where that \
is not unique, @@ names a line that stands before it, such as a class or function. `*** Move to: path` below `*** \
Update File:` renames the file. Either the whole patch fits, or nothing is changed."""


class ApplyPatchArguments(Arguments):
    patch: str = Field(min_length=1)
    """The patch, from *** Begin Patch to *** End Patch."""

    @property
    def paths(self) -> str:
        return ", ".join(patched_paths(self.patch))


async def run(arguments: ApplyPatchArguments, context: ToolContext) -> ToolOutcome:
    patches = parse_patch(arguments.patch)
    texts = {patch.path: await _text(patch, context) for patch in patches}
    done: list[str] = []
    try:
        for patch in patches:
            done.append(await _apply(patch, texts[patch.path], context))
    except ModelMistake as mistake:
        before = f" Done before it: {'; '.join(done)}." if done else " Nothing was changed."
        raise ModelMistake(mistake.message + before) from None
    return said("\n".join(done))


async def _text(patch: FilePatch, context: ToolContext) -> str:
    """What the file will hold; found out for all files before any is written."""
    if patch.content is not None:
        refuse_hidden("", patch.content, patch.path)
        return patch.content
    if patch.deletes:
        return ""
    file = await read_whole(context, patch.path)
    text = patched(file.text, patch.hunks, patch.path)
    refuse_hidden(file.text, text, patch.path)
    return text


async def _apply(patch: FilePatch, text: str, context: ToolContext) -> str:
    if patch.deletes:
        await remove(context, patch.path)
        return f"deleted {patch.path}"
    if patch.content is not None:
        await write_whole(context, patch.path, text, new=True)
        return f"added {patch.path}"
    if patch.hunks:
        await write_whole(context, patch.path, text)
    if patch.move_to is None or resolve(context, patch.move_to) == resolve(context, patch.path):
        return f"updated {patch.path}"
    await move(context, patch.path, patch.move_to)
    return f"moved {patch.path} to {patch.move_to}"


APPLY_PATCH = Tool(
    definition=ToolDefinition(name="apply_patch", tool_class="write", subject="paths"),
    description=DESCRIPTION,
    arguments=ApplyPatchArguments,
    run=run,
)
