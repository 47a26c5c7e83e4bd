"""What the scripted model says in these tests, and the small repository that it works on."""

BROKEN: dict[str, str | bytes] = {
    "adder.py": "def add(a, b):\n    return a - b\n",
    "test_adder.py": "from adder import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n",
    "AGENTS.md": "Run pytest before you finish.\n",
}
CHECK = "python -m pytest -q -p no:cacheprovider"

PLAN = """
  - when: {tool: propose_plan}
    turns:
      - choose:
          - matches: "The plan was rejected"
            calls:
              - {name: propose_plan, arguments: {summary: Mend add gently, steps: [{title: Mend}]}}
        calls:
          - {name: read, arguments: {path: adder.py}}
          - {name: list, arguments: {path: .}}
      - expect: a - b
        calls:
          - {name: propose_plan, arguments: {summary: Mend add, steps: [{title: Read}, {title: Mend}]}}
      - calls:
          - {name: propose_plan, arguments: {summary: Mend add gently, steps: [{title: Mend}]}}
"""
MEND = f"""
about: Mends add.
conversations:{PLAN}
  - when: {{tool: bash}}
    turns:
      - text: I look first.
        calls:
          - {{name: bash, arguments: {{command: "{CHECK}"}}}}
      - expect: 1 failed
        calls:
          - {{name: edit, arguments: {{path: adder.py, old: a - b, new: a + b}}}}
          - {{name: bash, arguments: {{command: "{CHECK}"}}}}
      - expect: 1 passed
        calls:
          - {{name: finish, arguments: {{summary: add adds now.}}}}
      - calls:
          - {{name: finish, arguments: {{summary: add adds now.}}}}
"""
"""Four turns of work after two of planning; six model calls in all."""

SLOW = """
about: A command that takes its time, in the middle of others that leave something behind.
conversations:
  - when: {tool: bash}
    turns:
      - calls:
          - {name: bash, arguments: {command: "echo one >> log.txt"}}
      - calls:
          - {name: bash, arguments: {command: "echo two >> log.txt; touch /tmp/mark; sleep 4; echo three >> log.txt"}}
      - calls:
          - {name: bash, arguments: {command: "export SEEN=yes; mkdir -p sub; cd sub; cat ../log.txt"}}
      - expect: "one\\ntwo\\nthree"
        calls:
          - {name: bash, arguments: {command: "echo $SEEN in $PWD >> ../log.txt"}}
      - calls:
          - {name: finish, arguments: {summary: Said so.}}
      - calls:
          - {name: finish, arguments: {summary: Said so.}}
"""
SLOW_LOG = "one\ntwo\nthree\nyes in /workspace/sub\n"

ASK = """
about: Asks a person, and does what they say.
conversations:
  - when: {tool: bash}
    turns:
      - calls:
          - {name: ask_human, arguments: {question: "Which colour?", options: [red, blue]}}
      - choose:
          - matches: blue
            calls:
              - {name: write, arguments: {path: colour.txt, content: "blue\\n"}}
        text: I did not understand.
      - calls:
          - {name: finish, arguments: {summary: Painted.}}
      - calls:
          - {name: finish, arguments: {summary: Painted.}}
"""

FAMILY = """
about: Gives two parts of its task to children, then a third.
conversations:
  - when: {user: Do it all}
    turns:
      - calls:
          - {name: delegate, arguments: {agent: coder, task: part one}}
          - {name: delegate, arguments: {agent: coder, task: part two}}
      - calls:
          - {name: delegate, arguments: {agent: coder, task: part three}}
  - when: {user: part three}
    turns:
      - calls:
          - {name: bash, arguments: {command: "sleep 300"}}
  - when: {user: part}
    turns:
      - calls:
          - {name: bash, arguments: {command: "sleep 5; echo so > $RANDOM"}}
      - calls:
          - {name: finish, arguments: {summary: Done so.}}
      - calls:
          - {name: finish, arguments: {summary: Done so.}}
"""
