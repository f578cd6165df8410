// Templates that want too much: each must end in an error, soon and within its memory.
#include <string>

#include "tests/text/jinja_support.h"

namespace quarry::jinja {
namespace {

std::string Times(std::string_view s, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += s;
  return out;
}

// Smaller than the real ones, so that the tests are quick under sanitizers too.
Limits Small() {
  Limits limits;
  limits.steps = 300'000;
  limits.memory_bytes = 16u << 20;
  limits.output_bytes = 1u << 20;
  return limits;
}

void ExpectStopped(const std::string& source, std::string_view message) {
  const std::string got = Render(source, "{}", Small());
  EXPECT_TRUE(got.starts_with("ERROR ") && got.find(message) != std::string::npos)
      << source.substr(0, 200) << "\n  " << got.substr(0, 300);
}

constexpr std::string_view kSteps = "needs more than 3000";
constexpr std::string_view kMemory = "bytes and asks for";

TEST(JinjaHostile, EndlessLoops) {
  ExpectStopped("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
                kSteps);
  ExpectStopped("{% for i in range(10 ** 18) %}{% endfor %}", "Range too big");
  ExpectStopped("{% for i in range(99999) %}{% set x = range(99999)|sort|list %}{% endfor %}",
                kSteps);
  ExpectStopped("{{ [1]|slice(10 ** 12)|list }}", kMemory);
  ExpectStopped("{{ [1]|batch(10 ** 12, 'x')|list }}", kMemory);
}

TEST(JinjaHostile, EndlessRecursion) {
  ExpectStopped("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "macros nested more than");
  ExpectStopped("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
                "recursive loops nested more than");
  ExpectStopped(
      "{% macro m() %}{{ caller() }}{% endmacro %}{% macro n() %}{% call m() %}{{ n() }}"
      "{% endcall %}{% endmacro %}{{ n() }}",
      "nested more than");
  ExpectStopped("{% macro m(x) %}{{ " + Times("[{'a':(", 40) + "m(x)" + Times(",)}]", 40) +
                    " }}{% endmacro %}{{ m(1) }}",
                "nested more than 2500 deep");
  ExpectStopped("{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
                "namespaces nested more than");
}

TEST(JinjaHostile, DeepSource) {
  ExpectStopped("{{ " + Times("(", 5000) + "1" + Times(")", 5000) + " }}", "levels of nesting");
  ExpectStopped("{{ " + Times("[", 5000) + Times("]", 5000) + " }}", "levels of nesting");
  ExpectStopped("{{ " + Times("-", 5000) + "1 }}", "levels of nesting");
  ExpectStopped("{{ " + Times("not ", 5000) + "1 }}", "levels of nesting");
  ExpectStopped("{{ " + Times("1 if 0 else ", 5000) + "1 }}", "levels of nesting");
  ExpectStopped("{{ 1" + Times(" + 1", 5000) + " }}", "more than 1000 levels");
  ExpectStopped("{{ a" + Times(".b", 5000) + " }}", "more than 1000 levels");
  ExpectStopped("{{ []" + Times("|list", 5000) + " }}", "more than 1000 levels");
  ExpectStopped("{{ a" + Times("()", 5000) + " }}", "more than 1000 levels");
  ExpectStopped(Times("{% if 1 %}", 5000) + Times("{% endif %}", 5000), "levels of nesting");
  EXPECT_EQ(Render("{% if 0 %}" + Times("{% elif 0 %}", 5000) + "{% endif %}x"), "x");
}

TEST(JinjaHostile, LongSource) {
  Limits limits;
  limits.source_bytes = 1000;
  EXPECT_EQ(Render(std::string(1001, 'x'), "{}", limits),
            "ERROR template of 1001 bytes, at most 1000 are allowed");
  EXPECT_TRUE(Eval(Times("9", 5000)).find("at most 4300 are supported") != std::string::npos);
}

TEST(JinjaHostile, MemoryByDoubling) {
  ExpectStopped("{{ 'a' * 10 ** 12 }}", "");
  ExpectStopped("{{ [0] * 10 ** 9 }}", kMemory);
  ExpectStopped(
      "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}"
      "{% endfor %}",
      "");
  ExpectStopped(
      "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}"
      "{% endfor %}",
      "");
  ExpectStopped("{{ ('a' * 10 ** 5)|replace('a', 'b' * 10 ** 5) }}", kMemory);
  ExpectStopped("{{ ('a' * 10 ** 4)|list|join('b' * 10 ** 4) }}", kMemory);
  ExpectStopped("{{ 'a'.center(10 ** 12) }}", kMemory);
  ExpectStopped("{{ 'a'.zfill(10 ** 12) }}", kMemory);
  ExpectStopped("{{ '\\t'.expandtabs(10 ** 12) }}", kMemory);
  ExpectStopped("{{ 'a'|indent(10 ** 12) }}", "");
  ExpectStopped("{{ [[1]]|tojson(indent=10 ** 12) }}", kMemory);
  ExpectStopped("{{ '%1000000000d' % 1 }}", "width or precision");
  ExpectStopped("{{ '%.1000000000f' % 1 }}", "width or precision");
  ExpectStopped("{{ '{:1000000000}'.format('a') }}", kMemory);
  ExpectStopped("{{ '{:1000000000d}'.format(1) }}", "width or precision");
  ExpectStopped("{% macro m(n) %}{{ 'a' * 100000 }}{{ m(n) }}{% endmacro %}{{ m(1) }}", "");
}

TEST(JinjaHostile, Output) {
  ExpectStopped("{% for i in range(1000) %}" + std::string(2000, 'x') + "{% endfor %}",
                "more than 1048576 bytes of output");
}

// Few objects, but exponentially many ways through them.
TEST(JinjaHostile, SharedStructures) {
  const std::string twice =
      "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}"
      "{% set ns.y = [ns.y, ns.y] %}{% endfor %}";
  EXPECT_EQ(Render(twice + "{{ ns.x|length }}", "{}", Small()), "2");
  ExpectStopped(twice + "{{ ns.x }}", kSteps);
  ExpectStopped(twice + "{{ ns.x|tojson }}", kSteps);
  ExpectStopped(twice + "{{ ns.x == ns.y }}", kSteps);
  ExpectStopped(twice + "{{ [ns.x, ns.y]|sort }}", kSteps);
  ExpectStopped(
      "{% set ns = namespace(x=(1,), y=(1,)) %}{% for i in range(60) %}"
      "{% set ns.x = (ns.x, ns.x) %}{% set ns.y = (ns.y, ns.y) %}{% endfor %}"
      "{{ {ns.x: 1}[ns.y] }}",
      kSteps);
}

TEST(JinjaHostile, ChainsThatWouldTakeTheStackWhenTheyGo) {
  const std::string loop = "{% for i in range(3000) %}";
  ExpectStopped("{% set ns = namespace(x=[]) %}" + loop + "{% set ns.x = [ns.x] %}{% endfor %}",
                "values nested 129 deep");
  ExpectStopped(
      "{% set ns = namespace(x=[1]) %}" + loop + "{% set ns.x = ns.x|map('string') %}{% endfor %}",
      "values nested 129 deep");
  ExpectStopped(
      "{% set ns = namespace(x=[]) %}" + loop + "{% set ns.x = [ns.x.copy] %}{% endfor %}",
      "values nested");
  EXPECT_EQ(Render("{% set h = namespace(cur=namespace()) %}" + loop +
                   "{% set n = namespace(prev=h.cur) %}{% set h.cur = n %}{% endfor %}ok"),
            "ok");
  EXPECT_EQ(
      Render("{% set h = namespace(first=namespace()) %}{% set c = namespace(x=h.first) %}" + loop +
             "{% set n = namespace() %}{% set at = c.x %}{% set at.next = n %}"
             "{% set c.x = n %}{% endfor %}ok"),
      "ok");
  EXPECT_EQ(Render("{% set ns = namespace(l=1) %}" + loop +
                   "{% for y in [ns.l] %}{% set ns.l = loop %}{% endfor %}{% endfor %}ok"),
            "ok");
  EXPECT_EQ(
      Render("{% for i in [1, 2] %}{{ loop.changed(loop) }}{{ loop.changed([loop]) }}{% endfor %}"),
      "TrueTrueTrueTrue");
}

TEST(JinjaHostile, DeepArguments) {
  const std::string deep = "{\"x\": " + Times("[", 100000) + Times("]", 100000) + "}";
  EXPECT_EQ(Render("x", deep),
            "ERROR arguments: values nested 129 deep, at most 128 levels are allowed");
  EXPECT_EQ(Render("{{ x|string|length }}", "{\"x\": " + Times("[", 100) + Times("]", 100) + "}"),
            "200");
}

TEST(JinjaHostile, SlowSearches) {
  ExpectStopped(
      "{% set a = 'a' * 10 ** 5 %}{% for i in range(99999) %}{{ a.find('b') }}{% endfor %}",
      kSteps);
  ExpectStopped(
      "{% set a = '\xC3\xA9' * 10 ** 5 %}{% for i in range(99999) %}{{ a[50000] }}{% endfor %}",
      kSteps);
  ExpectStopped("{% set a = ' ' * 10 ** 5 %}{% for i in range(99999) %}{{ a|trim }}{% endfor %}",
                kSteps);
  EXPECT_EQ(Render("{% set a = 'a' * 10 ** 6 %}{% set b = 'a' * 500000 ~ 'b' %}"
                   "{{ a.find(b) }}{{ b in a }}{{ a.rfind('b' ~ 'a' * 500000) }}"),
            "-1False-1");
  ExpectStopped("{{ (10 ** 4000) * (10 ** 4000) }}", "at most 4300 are supported");
  ExpectStopped("{% for i in range(99999) %}{{ (10 ** 4000) // (10 ** 2000 + 7) }}{% endfor %}",
                "");
}

TEST(JinjaHostile, ManyVariablesInNestedIfs) {
  std::string sets;
  for (int i = 0; i < 3000; ++i) sets += "{% set v" + std::to_string(i) + " = 1 %}";
  ExpectStopped(Times("{% if 1 %}", 300) + sets + Times("{% endif %}", 300), "too many variables");
}

}  // namespace
}  // namespace quarry::jinja
