// The builtin filters.
#include "tests/text/jinja_support.h"

namespace quarry::jinja {
namespace {

constexpr const char* kContext = R"({
  "l": [3, 1, 2], "s": "Hello World", "html": "<a href=\"x\">T&C</a>", "none_value": null,
  "people": [{"name": "Bob", "age": 30, "a": {"b": 2}}, {"name": "alice", "age": 25, "a": {"b": 1}},
             {"name": "Carl", "age": 30, "a": {"b": 3}}]})";

TEST(JinjaFilter, Text) {
  constexpr Example kTable[] = {
      {"\"they're bill's\"|title ~ \"they're\".title()", "They're Bill'sThey'Re"},
      {"'foo-bar (baz)'|title", "Foo-Bar (Baz)"},
      {"'HELLO world'|capitalize", "Hello world"},
      {"' x '|trim ~ 'xax'|trim('x')", "xa"},
      {"'aaa'|replace('a', 'b', 2) ~ 12|replace(1, 'x')", "bbax2"},
      {"'a\\n\\nb'|indent(2)", "a\n\n  b"},
      {"'a\\n\\nb'|indent('> ', first=true, blank=true)", "> a\n> \n> b"},
      {"'foo bar baz qux'|truncate(9) ~ 'foo bar baz qux'|truncate(9, true)", "foo...foo ba..."},
      {"'foo bar, baz!'|wordcount", "3"},
      {"'%s-%d'|format('a', 3)", "a-3"},
      {"'a b&c/\xC3\xA9'|urlencode", "a%20b%26c/%C3%A9"},
      {"{'a b': 'c d'}|urlencode", "a+b=c+d"},
      {"html|e", "&lt;a href=&#34;x&#34;&gt;T&amp;C&lt;/a&gt;"},
      {"('<'|e) + '<'", "&lt;&lt;"},
      {"('<'|safe) ~ '<'", "<<"},
      {"none_value|upper ~ 5|string ~ undef|upper", "NONE5"},
  };
  ExpectEvals(kTable, kContext);
}

TEST(JinjaFilter, Numbers) {
  constexpr Example kTable[] = {
      {"['5'|int, ' 5.7 '|int, 'x'|int(7), '0x1f'|int(0, 16), none|int, 5.9|int, '1_000'|int]",
       "[5, 5, 7, 31, 0, 5, 1000]"},
      {"['2.5'|float, 'x'|float(1.5), '1e400'|float]", "[2.5, 1.5, inf]"},
      {"[2.5|round, 3.5|round, 2.675|round(2), 42.55|round(1, 'floor'), 42|round, 1250|round(-2)]",
       "[2.0, 4.0, 2.67, 42.5, 42, 1200]"},
      {"[-5|abs, -2.5|abs]", "[5, 2.5]"},
      {"[1500000|filesizeformat, 1024|filesizeformat(true), 1|filesizeformat]",
       "['1.5 MB', '1.0 KiB', '1 Byte']"},
      {"'x'|abs", "ERROR line 1: TypeError: bad operand type for abs(): 'str'"},
      {"undef|int", "ERROR line 1: undefined: 'undef' is undefined"},
  };
  ExpectEvals(kTable, kContext);
}

TEST(JinjaFilter, Sequences) {
  constexpr Example kTable[] = {
      {"[l|first, l|last, []|first is defined, s|last, range(3)|last]", "[3, 2, False, 'd', 2]"},
      {"[l|length, s|length, undef|length]", "[3, 11, 0]"},
      {"[l|join('-'), people|join(',', attribute='name')]", "['3-1-2', 'Bob,alice,Carl']"},
      {"[l|reverse|list, s|reverse, 'ab'|list]", "[[2, 1, 3], 'dlroW olleH', ['a', 'b']]"},
      {"[l|min, l|max, l|sum, people|sum(attribute='age'), people|map(attribute='age')|max]",
       "[1, 3, 6, 85, 30]"},
      {"range(5)|batch(2, 'x')|list", "[[0, 1], [2, 3], [4, 'x']]"},
      {"range(5)|slice(2, 'x')|list", "[[0, 1, 2], [3, 4, 'x']]"},
      {"[undef|default('x'), none|default('x'), ''|d('x', true)]", "['x', None, 'x']"},
      {"[{'a': 1}|items|list, undef|items|list]", "[[('a', 1)], []]"},
      {"[1, 2, 1, 'a', 'A']|unique|list", "[1, 2, 'a']"},
      {"5|length", "ERROR line 1: TypeError: object of type 'int' has no len()"},
  };
  ExpectEvals(kTable, kContext);
}

TEST(JinjaFilter, SortsAreStableAndIgnoreCase) {
  constexpr Example kTable[] = {
      {"['b', 'A', 'c']|sort", "['A', 'b', 'c']"},
      {"['b', 'A']|sort(case_sensitive=true, reverse=true)", "['b', 'A']"},
      {"people|sort(attribute='age')|map(attribute='name')|list", "['alice', 'Bob', 'Carl']"},
      {"people|sort(true, attribute='age')|map(attribute='name')|list", "['Bob', 'Carl', 'alice']"},
      {"people|sort(attribute='age,name')|map(attribute='name')|list", "['alice', 'Bob', 'Carl']"},
      {"{'b': 1, 'A': 2}|dictsort", "[('A', 2), ('b', 1)]"},
      {"{'b': 1, 'A': 2}|dictsort(by='value', reverse=true)", "[('A', 2), ('b', 1)]"},
      {"people|groupby('age')|map(attribute='grouper')|list", "[25, 30]"},
      {"(people|groupby('age'))[1].list|map(attribute='name')|join", "BobCarl"},
      {"[1, 'a']|sort",
       "ERROR line 1: TypeError: '<' not supported between instances of 'str' and 'int'"},
  };
  ExpectEvals(kTable, kContext);
}

TEST(JinjaFilter, SelectionsAreGenerators) {
  constexpr Example kTable[] = {
      {"l|select('odd')|list", "[3, 1]"},
      {"l|reject('gt', 1)|list", "[1]"},
      {"people|selectattr('age', 'equalto', 30)|map(attribute='name')|list", "['Bob', 'Carl']"},
      {"people|rejectattr('a.b', 'in', [1, 2])|map(attribute='name')|join", "Carl"},
      {"people|map(attribute='x', default='-')|join", "---"},
      {"['a', 'b']|map('replace', 'a', 'x')|join", "xb"},
      {"'yes' if l|select('gt', 100) else 'no'", "yes"},  // a generator is true, whatever it holds
      {"l|select('odd')|length",
       "ERROR line 1: TypeError: object of type 'generator' has no len()"},
      {"(l|select('odd'))[0] is defined", "False"},
      {"l|map('nope')|list", "ERROR line 1: error: No filter named 'nope'."},
  };
  ExpectEvals(kTable, kContext);
  EXPECT_EQ(Render("{% set g = l|select('odd') %}{{ g|join(',') }}|{{ g|join(',') }}", kContext),
            "3,1|");
}

TEST(JinjaFilter, ToJsonIsPythonsJsonDumps) {
  constexpr Example kTable[] = {
      {"{'b': 1, 'a': [none, true, 1.0, 'x']}|tojson", R"({"b": 1, "a": [null, true, 1.0, "x"]})"},
      {"{'b': 1, 'a': 2}|tojson(sort_keys=true, separators=(',', ':'))", R"({"a":2,"b":1})"},
      {"{'a': [1, {}], 'b': []}|tojson(indent=2)",
       "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}"},
      {"[1]|tojson(indent='\\t')", "[\n\t1\n]"},
      {R"(['<>&\'"\\/\n\x00\x7f', 'é😀']|tojson)", "[\"<>&'\\\"\\\\/\\n\\u0000\x7f\", \"é😀\"]"},
      {"['\xC3\xA9\xF0\x9F\x98\x80\\x7f']|tojson(ensure_ascii=true)",
       R"(["\u00e9\ud83d\ude00\u007f"])"},
      {"{1: 2, none: 3, true: 4, 2.5: 5}|tojson", R"({"1": 4, "null": 3, "2.5": 5})"},
      {"[10 ** 20, 1e16, 'inf'|float]|tojson", "[100000000000000000000, 1e+16, Infinity]"},
      {"(1, 2)|tojson", "[1, 2]"},
      {"undef|tojson",
       "ERROR line 1: TypeError: Object of type Undefined is not JSON serializable"},
      {"{(1, 2): 3}|tojson",
       "ERROR line 1: TypeError: keys must be str, int, float, bool or None, not tuple"},
  };
  ExpectEvals(kTable, kContext);
}

TEST(JinjaFilter, UnknownOnesAreErrorsWhereTheyWouldRun) {
  constexpr Example kTable[] = {
      {"{{ 1|nope }}", "ERROR line 1: syntax error: No filter named 'nope'."},
      {"{% if false %}{{ 1|nope }}{% endif %}ok", "ok"},
      {"{% if true %}{{ 1|nope }}{% endif %}",
       "ERROR line 1: error: No filter named 'nope' found."},
      {"{{ 1|wordwrap }}", "ERROR line 1: unsupported: No filter named 'wordwrap'."},
  };
  ExpectRenders(kTable);
}

}  // namespace
}  // namespace quarry::jinja
