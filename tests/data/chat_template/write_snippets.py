#!/usr/bin/env python3
"""Writes snippets.jsonl: small templates and what Python's jinja2 makes of them.

Run by hand where jinja2 is installed (pip install jinja2): python3 write_snippets.py
The environment is the one that chat templates are written for.
"""
import copy
import itertools
import json
import pathlib
import random

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

INPUT = {
    "s": "Hello World", "empty": "", "pad": "  \n pad\u00a0\t ", "uni": "éÀ漢字🎉 Ünal жЯ", "quote": "it's \"q\"\\",
    "n": 7, "neg": -3, "zero": 0, "f": 2.5, "big": 12345678901234567890, "tiny": 1e-07, "huge": 1e16, "t": True,
    "no": False, "nil": None,
    "xs": [3, 1, 2], "words": ["b", "A", "c", "a"], "mixed": [1, "x", None, True, 2.0, [1, "y"], {"k": "v"}],
    "d": {"a": 1, "b": "two", "items": [1, 2], "z": None}, "nested": {"o": {"k": [1, {"deep": "yes"}]}},
    "rows": [{"name": "n1", "v": 3, "on": True}, {"name": "n2", "v": 1, "on": False}, {"name": "N0", "v": 2}],
    "messages": [{"role": "user", "content": "<|im_start|> a"}, {"role": "assistant", "content": None},
                 {"role": "tool", "content": "t1"}, {"role": "tool", "content": "t2"}],
    "controls": "a\u0001b\u007fc\u2028d\ttab\r\nnl/\\",
}

OPERANDS = ["s", "empty", "n", "neg", "zero", "f", "t", "nil", "xs", "d", "missing", "'x'", "3", "(1, 2)", "big", "uni"]
BINARY = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]
FILTERS = ["trim", "tojson", "safe", "items|list", "length", "count", "string", "default('D')", "d('D', true)", "upper",
           "lower", "capitalize", "title", "join('-')", "first", "last", "list", "int", "float", "abs", "round",
           "reverse|list", "sort", "unique|list", "sum", "min", "max", "replace('l', 'LL')", "indent",
           "tojson(indent=2)", "map('string')|list", "select|list", "reject|list", "select('string')|list", "map('upper')|list"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "true", "false", "mapping",
         "sequence", "iterable", "callable", "odd", "even", "divisibleby(3)", "eq(7)", "ne 7", "in [7, 'x']", "lower",
         "upper", "sameas(none)", "gt 2"]
SUBJECTS = ["s", "empty", "pad", "uni", "n", "neg", "f", "big", "tiny", "huge", "t", "nil", "xs", "words", "mixed", "d",
            "missing", "rows", "quote", "controls"]
METHODS = ["startswith('H')", "startswith(('x', 'H'))", "endswith('d')", "split()", "split('o')", "split('o', 1)",
           "rsplit('o', 1)", "rsplit(none, 1)", "split(none, 1)", "strip()", "strip('Hd')", "lstrip()", "rstrip()", "upper()", "lower()",
           "title()", "capitalize()", "swapcase()", "replace('l', '')", "replace('', '.')", "replace('o', '0', 1)", "find('o')", "rfind('o')",
           "count('l')", "join(['a', 'b'])", "splitlines()", "isdigit()", "isspace()", "isupper()", "partition('o')",
           "rpartition('o')", "removeprefix('He')", "zfill(15)", "index('q')", "rindex('o')"]

SNIPPETS = r"""
{{ s[0] }}{{ s[-1] }}{{ s[99] }}{{ s[2:5] }}{{ s[::-1] }}{{ s[::2] }}{{ s[-3:] }}{{ s[:-3] }}{{ s[5:2] }}|{{ s[5:2:-1] }}
{{ uni[0] }}{{ uni[2:4] }}{{ uni[::-1] }}{{ uni|length }}{{ uni[-1] }}{{ uni.find('漢') }}
{{ xs[1:] }}{{ xs[::-1] }}{{ xs[-1] }}{{ xs[7] }}{{ (1,2,3)[1:] }}{{ xs[:1] + xs[2:] }}
{{ d.a }}{{ d['b'] }}{{ d.items is callable }}
{{ d['items'] }}{{ d.get('a') }}{{ d.get('q') }}{{ d.get('q', 'dflt') }}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ k }},{% endfor %}{{ d.keys()|list }}{{ d.values()|list }}
{% for c in 'héy' %}[{{ c }}]{% endfor %}
{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}/{{ loop.nextitem }} {% endfor %}
{% for x in [] %}x{% else %}none{% endfor %}
{% for x in missing %}x{% else %}none{% endfor %}
{% for x in xs if x > 1 %}{{ loop.index }}:{{ x }}{{ '' if loop.last else ',' }}{% endfor %}
{% for x in xs if x > 9 %}x{% else %}none{% endfor %}
{% for x in xs if x != 1 %}{{ loop.length }}{{ loop.nextitem }}{{ loop.previtem }};{% endfor %}
{% for m in messages if m.role == 'tool' %}{{ m.content }}{% if not loop.last %},{% endif %}{% endfor %}
{% set ns = namespace(seen=0) %}{% for x in xs if x > ns.seen %}{% set ns.seen = x %}{{ x }}{% endfor %}
{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}
{% for x in xs %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in xs %}{% for y in [1,2] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}
{% for x in xs %}{{ loop.cycle('a', 'b') }}{% endfor %}
{% for x in [1,1,2,2] %}{{ loop.changed(x) }}{% endfor %}
{% for a, b in [(1, 2), (3, 4)] %}{{ a + b }};{% endfor %}
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for a, b in [(1,)] %}{{ a }}{% endfor %}
{% for x in 5 %}{% endfor %}
{% for x in nil %}{% endfor %}
{% set x = 1 %}{% for i in xs %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}
{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set a = 1, 2 %}{{ a }}
{% set x %}block {{ n }}{% endset %}{{ x }}{{ x|length }}
{% set x | upper | trim %} block {{ n }} {% endset %}[{{ x }}]
{% set ns = namespace(a=1, b='x') %}{% set ns.a = ns.a + 1 %}{{ ns.a }}{{ ns.b }}{{ ns.c }}
{% set ns = namespace({'q': 5}) %}{{ ns.q }}{{ ns['q'] }}
{% set d.a = 1 %}
{% set nope.a = 1 %}
{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% macro m(a, b='B', c=none) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(b=3, a=4) }}{{ m() }}{{ m(1, c=2) }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(q=2) }}
{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, q=3) }}
{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}body {{ n }}{% endcall %}
{% macro m(x) %}{% for i in x %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(i) m(xs) %}({{ i }}){% endcall %}
{% macro f(k) %}{{ k }}{% if k > 0 %}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}
{% macro m() %}{% set q = 5 %}{{ q }}{% endmacro %}{{ m() }}{{ q }}
{% macro m(a) %}  {{ a }}  {% endmacro %}[{{ m(1)|trim }}]{{ m('x') == '  x  ' }}{{ m is callable }}
{% filter upper %}abc{{ s }}{% endfilter %}
{% filter replace('a', 'b')|upper %}aXa{% endfilter %}
{% raw %}{{ not }} {% if %}{% endraw %}
a {%- raw -%}  {{ x }}  {%- endraw -%} b
{% if n > 5 %}big{% elif n > 2 %}mid{% else %}small{% endif %}
{% if zero %}a{% elif empty %}b{% elif nil %}c{% elif missing %}d{% elif [] %}e{% elif {} %}f{% else %}g{% endif %}
{{ 'a' if t else 'b' }}{{ 'a' if no else 'b' }}{{ 'a' if no }}{{ ('a' if no) is undefined }}
{{ 'x' if no else 'y' if no else 'z' }}
{{ 1 if t if no else 2 }}
{{ not t }}{{ not missing }}{{ not not n }}
{{ t and n }}{{ no or empty or 'last' }}{{ nil and 1 }}
{{ 1 < 2 < 3 }}{{ 1 < 3 < 2 }}{{ 3 > 2 > 1 }}{{ 1 == 1.0 }}{{ true == 1 }}{{ 'a' < 'b' }}{{ [1,2] < [1,3] }}
{{ 2 ** 10 }}{{ 2 ** -1 }}{{ -2 ** 2 }}{{ 7 // 2 }}{{ -7 // 2 }}{{ 7 % 3 }}{{ -7 % 3 }}{{ 7 / 2 }}{{ 6 / 2 }}{{ 7.5 // 2 }}{{ -7.5 % 2 }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 1.0 / 0 }}
{{ 1 + 2 * 3 - 4 / 2 }}{{ (1 + 2) * 3 }}{{ 1 ~ 2 + 3 }}{{ 'a' ~ 1 + 2 }}{{ 2 * 3 ~ 4 }}
{{ -n }}{{ +n }}{{ - -n }}{{ -f }}{{ -t }}{{ -n|abs }}
{{ -s }}
{{ 'a' * 3 }}{{ 3 * 'ab' }}{{ [1] * 3 }}{{ 'a' * -1 }}{{ (1,) * 2 }}
{{ 'a' 'b' "c" }}{{ "tab\there" }}{{ 'q\'q' }}{{ "\x41\u00e9\U0001F389\101\q\\n" }}{{ 'a\
b' }}
{{ 1_000 }}{{ 0x1F }}{{ 0b101 }}{{ 0o17 }}{{ 1e3 }}{{ 1.5e-3 }}{{ 2.0 }}{{ 1E5 }}
{{ 1e16 }}{{ 1e15 }}{{ 123456789012345680.0 }}{{ 0.0001 }}{{ 0.00001 }}{{ 0.1 + 0.2 }}{{ 1/3 }}{{ 100.0 }}{{ 1e22 }}{{ 1e100 }}{{ -0.0 }}
{{ tiny }}{{ huge }}{{ f }}{{ big }}{{ big + 1 }}{{ big * 3 }}{{ [tiny, huge, big]|tojson }}
{{ true }}{{ True }}{{ false }}{{ none }}{{ None }}{{ [true, none, 1.0, 'x'] }}
{{ [] }}{{ {} }}{{ () }}{{ (1,) }}{{ {'a': 1, 2: [3], none: true} }}{{ {1: 'a'}[1] }}{{ {1: 'a'}[1.0] }}{{ {true: 'y'}[1] }}
{{ mixed }}{{ mixed|tojson }}{{ mixed|string|length }}
{{ [quote, controls, 'a\nb'] }}
{{ quote|tojson }}{{ controls|tojson }}{{ uni|tojson }}{{ '</script>&<>\''|tojson }}
{{ nested|tojson }}{{ nested|tojson(indent=2) }}{{ []|tojson(indent=2) }}{{ {}|tojson(indent=2) }}
{{ {'b': 1, 'a': 2}|tojson }}{{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }}{{ (1, 2)|tojson }}
{{ missing|tojson }}
{{ [missing]|tojson }}
{{ missing }}|{{ missing|default('d') }}|{{ missing ~ 'x' }}|{{ missing == missing }}|{{ missing == none }}|{{ missing|length }}|{{ missing|list }}
{{ missing.x }}
{{ missing['x'] }}
{{ missing() }}
{{ missing + 'x' }}
{{ 'x' + missing }}
{{ missing < 1 }}
{{ missing|int }}
{{ d.nope }}|{{ d.nope is defined }}|{{ d.nope is undefined }}|{{ nil.x is defined }}
{{ d.nope.deeper }}
{{ nil.x.y }}
{{ s.nope }}|{{ n.nope }}|{{ xs.nope }}
{{ s.nope() }}
{{ xs.startswith('a') }}
{{ n() }}
{{ nil() }}
{{ d.a.b.c }}
{{ xs['a'] }}|{{ s['upper']() }}|{{ d[xs] }}|{{ n[0] }}|{{ nil[0] }}
{{ s + n }}
{{ n + s }}
{{ xs + s }}
{{ nil + 1 }}
{{ s - s }}
{{ n < s }}
{{ nil < 1 }}
{{ 'a' in n }}
{{ 1 in 'abc' }}
{{ 'a' in nil }}
{{ 'b' in d }}{{ 'q' in d }}{{ 1 in xs }}{{ 'ell' in s }}{{ '' in s }}{{ 9 not in xs }}{{ 'x' in missing }}{{ none in mixed }}{{ [1, 'y'] in mixed }}
{{ raise_exception('stop ' ~ n) }}
{{ 1|nosuchfilter }}
{% if no %}{{ 1|nosuchfilter }}{% endif %}ok
{% if no %}{{ 1 is nosuchtest }}{% endif %}ok
{{ range(3)|list }}{{ range(1, 4)|list }}{{ range(5, 0, -2)|list }}{% for i in range(0) %}x{% endfor %}
{{ dict(a=1, b=2) }}{{ dict({'x': 1}, y=2) }}
{{ rows|map(attribute='name')|list }}{{ rows|map(attribute='on', default='-')|join(',') }}{{ rows|selectattr('on')|map(attribute='name')|list }}
{{ rows|rejectattr('on')|map(attribute='name')|list }}{{ rows|selectattr('v', 'gt', 1)|map(attribute='v')|list }}{{ rows|selectattr('name', 'equalto', 'n1')|list|length }}
{{ rows|sort(attribute='v')|map(attribute='v')|list }}{{ rows|sort(attribute='name', reverse=true)|map(attribute='name')|list }}{{ rows|sum(attribute='v') }}{{ (rows|max(attribute='v')).name }}
{{ words|sort }}{{ words|sort(case_sensitive=true) }}{{ words|sort(reverse=true) }}{{ words|unique|list }}{{ words|join(', ') }}{{ xs|sort|first }}{{ xs|min }}{{ xs|max }}{{ xs|sum }}
{{ d|dictsort }}{{ {'B': 1, 'a': 2}|dictsort }}{{ {'x': 2, 'y': 1}|dictsort(by='value') }}
{{ d|length }}{{ d|list }}{{ d|first }}{{ d|join }}{{ s|first }}{{ s|last }}{{ []|first }}|{{ []|last }}|{{ 'abc'|list }}{{ 'abc'|reverse }}{{ xs|reverse|list }}
{{ '42'|int }}{{ '42.9'|int }}{{ 'x'|int }}{{ 'x'|int(5) }}{{ '0x1F'|int(base=16) }}{{ ' 7 '|int }}{{ nil|int(9) }}{{ '1_000'|int }}{{ 3.99|int }}{{ -3.99|int }}{{ true|int }}
{{ '4.5'|float }}{{ 'x'|float }}{{ 'x'|float(1.5) }}{{ 3|float }}{{ '1e3'|float }}
{{ 2.5|round }}{{ 3.5|round }}{{ 2.675|round(2) }}{{ 2.1|round(0, 'ceil') }}{{ 2.9|round(0, 'floor') }}{{ 42|round }}{{ 1234.5|round(-2) }}{{ 1.005|round(2) }}
{{ 'a-b c(d [e {f <g'|title }}{{ "they're bill's"|title }}{{ "they're bill's".title() }}{{ 'HELLO'|capitalize }}
{{ 'a\nb\n\nc'|indent }}|{{ 'a\nb'|indent(2, true) }}|{{ 'a\n\nb'|indent(2, blank=true) }}|{{ 'a\nb'|indent('>') }}
{{ 'xxhixx'|trim('x') }}{{ pad|trim }}|{{ pad|string }}|{{ 5|trim }}|{{ nil|trim }}
{{ 'aaa'|replace('a', 'b', 2) }}{{ 5|replace(5, 6) }}
{{ nil|default('d') }}{{ nil|default('d', true) }}{{ ''|default('d', boolean=true) }}{{ missing|default }}|{{ missing.x|default('d') }}
{{ [1, [2, [3]]]|string }}{{ {'a': {'b': 1}}|string }}{{ true|string }}{{ none|string }}{{ 1.0|string }}
{{ 7 is odd }}{{ 7 is not even }}{{ 9 is divisibleby 3 }}{{ 7 is eq 7 }}{{ 's' is in 'sun' }}{{ n is number and s is string }}{{ not s is number }}
{{ s is string and s|length > 3 or no }}{{ s is defined is true }}
{{ d is mapping }}{{ xs is mapping }}{{ s is iterable }}{{ n is iterable }}{{ d is sequence }}{{ missing is sequence }}{{ nil is sequence }}
{{ 1 is true }}{{ true is true }}{{ 0 is false }}{{ false is false }}{{ 'true' is true }}{{ n is integer }}{{ t is integer }}{{ f is float }}{{ t is number }}
{# comment #}a{#- strip -#} b {# multi
line #} c
  {# lstripped #}
after
  {% if t %}
    x
  {% endif %}
y
  {%+ if t %} keep{% endif %}

a {{- ' b ' -}} c
a
{{- n }}
{{ n -}}
b
{% if t -%}
   x
{%- endif %}
y
{% if t +%}
x{% endif %}
{%- for x in xs -%}
  {{ x }}
{%- endfor -%}
  end
text {% if t %}  inline  {% endif %} more
{{ '{{' }}{{ '%}' }}{{ "}}" }}{{ {'a': {'b': 1}}.a.b }}{{ {'a':{'b':2}}['a']['b'] }}
{{ n }}{ n }{ % { # }} %} #}
{{ (n) }}{{ ((n)) }}{{ (n, ) }}{{ [n, ] }}{{ {'a': n, } }}{{ range(3, )|list }}
{{ n
 + 1 }}
{{ 'x'.upper() }}{{ 'x' .upper() }}{{ ['a', 'b'][0].upper() }}{{ 'a,b'.split(',')[1] }}{{ (1, 2)[0] }}{{ {'x': 'y'}.x }}
{{ xs.0 }}{{ nested.o.k.1.deep }}{{ xs.index(1) }}{{ xs.count(3) }}
{{ xs.append(1) }}
{{ d.update({'x': 1}) }}
{% nosuchtag %}
{% if %}{% endif %}
{% if t %}
{% endif %}
{% for x in xs %}
{{ n
{{ n }
{{ n | }}
{{ 'abc }}
{{ (n }}
{{ [1, 2 }}
{{ n n }}
{{ }}
{# never closed
{% set 5 = 1 %}
{% set true = 1 %}
{% macro m(a=1, b) %}{% endmacro %}
{% call n() %}{% endcall %}
{% for x in xs %}{% endif %}
{% raw %}abc
{{ n if }}
{{ a.b. }}
{{ 1.x }}
{{ $ }}
{{ xs is }}
{{ xs[0 }}
{{ m(a=1, 2) }}
{% break %}
""".strip("\n").split("\n")

MULTILINE = [
    "{% for m in messages %}\n  {% if loop.first %}\n  F\n  {% endif %}\n{{ m.role }}\n{% endfor %}\nend\n",
    "{%- set x = 1 -%}\n\n  {{ x }}  \n\n{%- set y = 2 %}\n z\n\n",
    "a\n\n\n{#- c -#}\n\nb\n",
    "a\r\nb\r{% if t %}\r\nc\r\n{% endif %}\r\nd",
    "  {{ n }}\n  {% set q = 1 %}\n\t{% set r = 2 %}  \n  x {% set z = 3 %}\nlast",
    "{% if t %}\n\n{% endif %}\n\nx\n\n",
    "{{ n }}\n",
    "{{ n }}\n\n",
    "\n{% if t %}A{% endif %}\n",
    "{% raw %}\n  keep {{ }}\n{% endraw %}\nx",
    "  {% raw %}  a  {% endraw %}  \n  b",
    "{% generation %}x{{ n }}{% endgeneration %}",
    "{%- macro a(x) -%}\n  [{{ x }}]\n{%- endmacro -%}\n{{ a(1) }}\n{{ a(2) -}}\n\n!",
    "{% for x in xs -%}\n {{ x }}\n{%- else -%}\n none\n{%- endfor %}\n\n.",
    "x\n  {#- c #}\ny\n  {# c -#}\nz",
    "\u00a0{% if t %}x{% endif %}\u3000{%- if t %}y{% endif %}",
    "{{ s }}  {%- if t %} a{% endif %}",
    "line\n   {{- n }}\n   {{ n }}",
    "{% for a in [1,2] %}{% for b in [a] if b > 1 %}{{ loop.length }}{{ loop.depth }}{% endfor %}{% endfor %}",
    "{% set ns = namespace(l=[]) %}{% for x in xs %}{% set ns.l = ns.l + [x * 2] %}{% endfor %}{{ ns.l }}",
    "{% set ns = namespace(last=none) %}{% for m in messages if m.role != ns.last %}{% set ns.last = m.role %}{{ m.role }},{% endfor %}",
    "{% macro outer() %}{% macro inner(x) %}({{ x }}){% endmacro %}{{ inner(1) }}{% endmacro %}{{ outer() }}{{ inner }}",
    "{% for x in xs %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% macro m() %}{{ loop is defined }}{% endmacro %}{% for x in xs %}{{ m() }}{% endfor %}",
    "{% macro m(v) %}{% if v is string %}S{% elif v is mapping %}M{% elif v is iterable %}I{% else %}?{% endif %}{% endmacro %}"
    "{{ m('') }}{{ m({}) }}{{ m([]) }}{{ m(1) }}{{ m(none) }}{{ m(missing) }}",
    "{% for m in messages[::-1] %}{{ (messages|length - 1) - loop.index0 }}{{ m.role[0] }}{% endfor %}",
    "{% for m in messages %}{% if loop.previtem is undefined or loop.previtem.role != m.role %}<{{ m.role }}>{% endif %}"
    "{% if loop.last or loop.nextitem.role != m.role %};{% endif %}{% endfor %}",
    "{{ 'a</think>b</think>c'.split('</think>')[-1].lstrip('\\n') }}{{ 'x'.split('</think>')[0].rstrip('\\n').split('<think>')[-1] }}",
]


def generated():
    texts = {"s", "empty", "'x'", "uni"}
    for a, op, b in itertools.product(OPERANDS, BINARY, OPERANDS):
        if op == "%" and a in texts:  # printf formatting is not supported
            continue
        yield "{{ %s %s %s }}" % (a, op, b)
    for subject, name in itertools.product(SUBJECTS, FILTERS):
        if name == "indent" and subject in ("xs", "words", "mixed", "rows"):  # would append to the list
            continue
        yield "{{ %s|%s }}" % (subject, name)
    for subject, name in itertools.product(SUBJECTS, TESTS):
        yield "{{ %s is %s }}" % (subject, name)
    for subject, call in itertools.product(["s", "empty", "pad", "uni", "quote", "controls"], METHODS):
        yield "{{ %s.%s }}" % (subject, call)
    rng = random.Random(7)
    bounds = ["", "0", "1", "2", "-1", "-2", "5", "-5", "100", "-100"]
    for _ in range(200):
        b, e, st = rng.choice(bounds), rng.choice(bounds), rng.choice(["", "1", "2", "-1", "-2", "3"])
        yield "{{ %s[%s:%s:%s] }}" % (rng.choice(["s", "xs", "uni", "words"]), b, e, st)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


def render(env, source):
    source = source.replace("{% generation %}", "{% if true %}").replace("{% endgeneration %}", "{% endif %}")
    try:
        return {"output": env.from_string(source).render(**copy.deepcopy(INPUT))}
    except (jinja2.TemplateSyntaxError, SyntaxError):
        return {"fails": True}  # in words of our own
    except jinja2.exceptions.TemplateError as error:
        return {"error": str(error)}
    except Exception as error:  # what Python itself says, with its class
        return {"error": "%s: %s" % (type(error).__name__, error)}


def all_snippets():
    env = environment()
    for source in itertools.chain(SNIPPETS, MULTILINE, generated()):
        yield {"source": source, **render(env, source)}


def chosen_snippets():
    """Every written one and a sample of the generated ones."""
    sample = random.Random(11).sample(list(generated()), 900)
    env = environment()
    for source in itertools.chain(SNIPPETS, MULTILINE, sample):
        yield {"source": source, **render(env, source)}


if __name__ == "__main__":
    folder = pathlib.Path(__file__).parent
    with open(folder / "snippets.jsonl", "w", encoding="utf-8") as out:
        out.write(json.dumps({"input": INPUT}, ensure_ascii=False) + "\n")
        for snippet in chosen_snippets():
            out.write(json.dumps(snippet, ensure_ascii=False) + "\n")
