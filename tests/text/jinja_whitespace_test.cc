// What of a template's text is printed: trim_blocks, lstrip_blocks, signs, raw blocks, comments.
#include "tests/text/jinja_support.h"

namespace quarry::jinja {
namespace {

TEST(JinjaWhitespace, ABlockTakesItsLineBreakAndItsIndent) {
  constexpr Example kTable[] = {
      {"a\n  {% if true %}\n  b\n  {% endif %}\nc", "a\n  b\nc"},
      {"x {% if true %}y{% endif %} z", "x y z"},  // not alone on its line
      {"\t{% if true %}x{% endif %}", "x"},
      {"\xC2\xA0{% if true %}x{% endif %}", "x"},  // any white space of Unicode
      {"{{ 1 }}\n{{ 2 }}", "1\n2"},                // expressions keep their line break
      {"  {{ 1 }}", "  1"},
      {"{% set a = 1 %}\n\nb", "\nb"},  // one line break, not two
  };
  ExpectRenders(kTable);
}

TEST(JinjaWhitespace, SignsStripOrKeep) {
  constexpr Example kTable[] = {
      {"a \n {%- if true -%} \n b \n {%- endif -%} \n c", "abc"},
      {"a\n  {%+ if true %}b{% endif %}", "a\n  b"},
      {"{% if true +%}\nb{% endif %}", "\nb"},
      {"a \n {{- 1 -}} \n b", "a1b"},
      {"{{ -1 }}|{{- -1 -}}|", "-1|-1|"},
      {"a\n{#- c -#}\nb", "ab"},
      {"a {# c #}\nb", "a b"},
      {"  {#+ c +#}\nb", "  \nb"},
  };
  ExpectRenders(kTable);
}

TEST(JinjaWhitespace, LineBreaksBecomeOneKindAndTheLastOneGoes) {
  constexpr Example kTable[] = {
      {"a\r\nb\rc\n", "a\nb\nc"},     {"a\n\n", "a\n"}, {"\n", ""}, {"", ""},
      {"{{ 'a\r\nb'|length }}", "3"},
  };
  ExpectRenders(kTable);
}

TEST(JinjaWhitespace, RawBlocksAreText) {
  constexpr Example kTable[] = {
      {"{% raw %}{{ x }}{% if %}{# #}{% endraw %}", "{{ x }}{% if %}{# #}"},
      {"a {%- raw -%} {{ x }} {%- endraw -%} b", "a{{ x }}b"},
      {"{% raw %}\nx\n{% endraw %}\ny", "\nx\ny"},  // raw begins without taking a line break
      {"{% raw %}x", "ERROR line 1: syntax error: Missing end of raw directive"},
      {"{# x", "ERROR line 1: syntax error: Missing end of comment tag"},
  };
  ExpectRenders(kTable);
}

TEST(JinjaWhitespace, BracketsHideTheEndOfATag) {
  constexpr Example kTable[] = {
      {"{{ {'a': {'b': 1}}['a']['b'] }}", "1"},
      {"{{ '}}' }}{{ '%}' }}", "}}%}"},
      {"{{ (1 }}", "ERROR line 1: syntax error: unexpected '}', expected ')'"},
  };
  ExpectRenders(kTable);
}

}  // namespace
}  // namespace quarry::jinja
