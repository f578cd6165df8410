// Statements: branches, loops, assignments and whose variables they are, macros, blocks.
#include "tests/text/jinja_support.h"

namespace quarry::jinja {
namespace {

constexpr const char* kContext = R"({"l": [3, 1, 2], "n": 5, "d": {"b": 1, "a": 2},
                                     "nested": [[1, 2], [3, [4]]]})";

TEST(JinjaStatement, Branches) {
  constexpr Example kTable[] = {
      {"{% if n > 5 %}a{% elif n > 3 %}b{% else %}c{% endif %}", "b"},
      {"{% if undef %}a{% elif undef.x is defined %}b{% endif %}",
       "ERROR line 1: undefined: 'undef' is undefined"},
      {"{% if if %}a{% endif %}b", "b"},  // no word is reserved
      {"{% if n %}",
       "ERROR line 1: syntax error: Unexpected end of template. Jinja was looking for "
       "the following tags: 'elif' or 'else' or 'endif'. The innermost block that needs "
       "to be closed is 'if'."},
  };
  ExpectRenders(kTable, kContext);
}

TEST(JinjaStatement, LoopVariable) {
  constexpr Example kTable[] = {
      {"{% for x in l %}{{ loop.index }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }} {% "
       "endfor %}",
       "12TrueFalse 21FalseFalse 30FalseTrue "},
      {"{% for x in l %}{{ loop.previtem }}<{{ loop.nextitem }} {% endfor %}", "<1 3<2 1< "},
      {"{% for x in l|select('odd') %}{{ loop.index }}/{{ loop.length }}{{ loop.last }} {% endfor "
       "%}",
       "1/2False 2/2True "},
      {"{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{{ loop.cycle('a', 'b') }} {% endfor %}",
       "Truea Falseb Truea "},
      {"{% for x in l %}{% for y in [0] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}",
       "111213"},
      {"{% for x in nested recursive %}{{ loop.depth }}{{ loop(x) if x is iterable else x }};{% "
       "endfor %}",
       "1"
       "21;22;;"
       "1"
       "23;2"
       "34;;;"},
      {"{% for loop in l %}{% endfor %}",
       "ERROR line 1: syntax error: Can't assign to special loop variable in for-loop target"},
  };
  ExpectRenders(kTable, kContext);
}

TEST(JinjaStatement, LoopsFilterUnpackAndLeave) {
  constexpr Example kTable[] = {
      {"{% for x in l if x > 1 %}{{ loop.index }}{{ x }} {% endfor %}", "13 22 "},
      {"{% for k, v in d.items() %}{{ k }}{{ v }}{% endfor %}", "b1a2"},
      {"{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "123"},
      {"{% for x in [] %}a{% else %}b{% endfor %}", "b"},
      {"{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "32"},
      {"{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}", "3"},
      // Only an item that reached the end of the body keeps the else part away.
      {"{% for x in l %}{% break %}{% else %}E{% endfor %}", "E"},
      {"{% for a, b in [(1, 2, 3)] %}{% endfor %}",
       "ERROR line 1: ValueError: too many values to unpack (expected 2)"},
      {"{% for x in none %}{% endfor %}",
       "ERROR line 1: TypeError: 'NoneType' object is not iterable"},
      {"{% break %}", "ERROR line 1: syntax error: 'break' outside loop"},
      // The test of a loop runs when the next item is asked for, not before.
      {"{% set ns = namespace(i=0) %}{% for x in range(5) if x >= ns.i %}{{ x }}"
       "{% set ns.i = ns.i + 2 %}{% endfor %}",
       "024"},
  };
  ExpectRenders(kTable, kContext);
}

TEST(JinjaStatement, AssignmentsBelongToTheirScope) {
  constexpr Example kTable[] = {
      {"{% set x = 1 %}{% for i in l %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}", "2221"},
      {"{% for i in l %}{% set x = i %}{% endfor %}{{ x is defined }}", "False"},
      {"{% if true %}{% set x = 1 %}{% endif %}{{ x }}", "1"},
      {"{% if false %}{% set n = 1 %}{% endif %}{{ n }}", "5"},
      {"{% for i in l %}{% if i == 1 %}{% set n = 9 %}{% endif %}{{ n }}{% endfor %}", "595"},
      {"{% set ns = namespace(x=1) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x "
       "}}",
       "7"},
      {"{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}", "12"},
      {"{% set n.x = 1 %}", "ERROR line 1: error: cannot assign attribute on non-namespace object"},
      {"{% set x, y = 1, 2 %}{{ y }}{{ x }}", "21"},
      {"{% set x %}a{{ n }}{% set q = 1 %}{% endset %}{{ x }}{{ q is defined }}", "a5False"},
      {"{% set x | upper | replace('A', 'b') %}aa{% endset %}{{ x }}", "bb"},
      {"{% with a = n, n = 3 %}{{ a }}{{ n }}{% endwith %}{{ n }}", "535"},
      {"{% filter upper %}a{% set n = 3 %}{{ n }}{% endfilter %}{{ n }}", "A35"},
      {"{% generation %}{{ n }}{% set n = 7 %}{{ n }}{% endgeneration %}{{ n }}", "575"},
      {"{% set 5 = 1 %}", "ERROR line 1: syntax error: can't assign to an expression"},
  };
  ExpectRenders(kTable, kContext);
}

TEST(JinjaStatement, Macros) {
  constexpr Example kTable[] = {
      {"{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}|{{ m(1, 3) }}|{{ m(b=1, a=2) "
       "}}|{{ m() }}",
       "12|13|21|2"},
      {"{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(5) }}", "55"},
      {"{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=4) }}",
       "1(2,){'x': 4}"},
      {"{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{% set x = 2 %}{{ m() }}",
       "12"},
      {"{% macro f(n) %}{{ n }}{{ f(n - 1) if n > 0 }}{% endmacro %}{{ f(3) }}", "3210"},
      {"{% macro m() %}[{{ caller('x') }}]{% endmacro %}{% call(t) m() %}<{{ t }}{{ n }}>{% "
       "endcall %}",
       "[<x5>]"},
      {"{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}", "B"},
      {"{% macro m(a) %}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m }}", "m('a',)<Macro 'm'>"},
      {"{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}",
       "ERROR line 1: TypeError: macro 'm' takes not more than 1 argument(s)"},
      {"{% macro m(a) %}{% endmacro %}{{ m(x=1) }}",
       "ERROR line 1: TypeError: macro 'm' takes no keyword argument 'x'"},
      {"{% macro m() %}{% endmacro %}{% call m() %}{% endcall %}",
       "ERROR line 1: TypeError: macro 'm' was invoked with two values for the special caller "
       "argument. This is most likely a bug."},
      {"{{ m() }}{% macro m() %}{% endmacro %}", "ERROR line 1: undefined: 'm' is undefined"},
  };
  ExpectRenders(kTable, kContext);
}

TEST(JinjaStatement, BlocksAndTheRest) {
  constexpr Example kTable[] = {
      {"{% set q = 1 %}{% block a %}{{ q }}{{ n }}{% endblock a %}", "15"},
      {"{% for i in l %}{% block a %}{{ i is defined }}{% endblock %}{% break %}{% endfor %}",
       "False"},
      {"{% autoescape true %}{{ '<' }}{{ '<'|safe }}{% endautoescape %}{{ '<' }}", "&lt;<<"},
      {"{% print n, 'a' %}", "5a"},
      {"{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}",
       "abab"},
      {"{% set j = joiner('|') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}", "3|1|2"},
      {"{{ strftime_now('%d %b %Y %H:%M') }}", "26 Jul 2024 12:00"},
      {"{% include 'a' %}",
       "ERROR line 1: unsupported: {% include %}: a chat template is a single file"},
      {"{% do x %}", "ERROR line 1: syntax error: Encountered unknown tag 'do'."},
  };
  ExpectRenders(kTable, kContext);
}

}  // namespace
}  // namespace quarry::jinja
