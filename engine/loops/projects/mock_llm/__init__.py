"""A model provider that is none: it plays OpenAI's and Anthropic's streaming interfaces on 127.0.0.1, by scenarios.

Coding agents talk to it as to the real thing, so that everything around a model can be tried without a network, a key
or a bill: ``loops mock-llm --port 8099``, then point an agent at ``http://127.0.0.1:8099/ok/v1``.

    POST .../v1/responses          Responses            (codex, pi, opencode)
    POST .../v1/chat/completions   Chat Completions     (opencode, pi)
    POST .../v1/messages           Messages             (claude, opencode, pi)
    GET  .../v1/models             the list of models
    POST /control                  change what a path plays: {"path": "a", "scenario": "limit", "reset_in": 5}
                                   (seconds, from the next request on)
    GET  /control                  what each path plays, and how many requests it has seen

The first part of a path is its name.  A path that is called like a scenario plays that scenario, any other one plays
``ok`` (with ``--script``: ``script``) until it is told otherwise.
"""
