#include "text/chat/built_in.h"

#include <fmt/format.h>

#include "base/nearest_name.h"

namespace quarry {
namespace {

// A system message goes before the text of the user's first message, as the later templates of the
// family have it; those of this generation knew none.
constexpr std::string_view kMistral =
    R"({%- set ns = namespace(before='') -%}
{{- '<s>' -}}
{%- for message in messages -%}
  {%- if message.role == 'system' -%}
    {%- set ns.before = ns.before ~ message.content ~ '\n\n' -%}
  {%- elif message.role == 'user' -%}
    {{- '[INST] ' ~ ns.before ~ message.content ~ ' [/INST]' -}}
    {%- set ns.before = '' -%}
  {%- elif message.role == 'assistant' -%}
    {{- message.content ~ '</s>' -}}
  {%- else -%}
    {{- raise_exception('mistral-inst has no role ' ~ message.role ~ ', only system, user and assistant') -}}
  {%- endif -%}
{%- endfor -%})";

constexpr std::string_view kLlama3 =
    R"({{- '<|begin_of_text|>' -}}
{%- for message in messages -%}
  {{- '<|start_header_id|>' ~ message.role ~ '<|end_header_id|>\n\n' ~ message.content|trim ~ '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
{%- endif -%})";

constexpr std::string_view kQwen =
    R"({%- if not messages or messages[0].role != 'system' -%}
  {{- '<|im_start|>system\nYou are a helpful assistant<|im_end|>\n' -}}
{%- endif -%}
{%- for message in messages -%}
  {{- '<|im_start|>' ~ message.role ~ '\n' ~ message.content ~ '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\n' -}}
{%- endif -%})";

constexpr std::string_view kMiniCpm =
    R"({%- for message in messages -%}
  {%- if message.role == 'user' -%}
    {{- '<用户>' ~ message.content|trim ~ '<AI>' -}}
  {%- else -%}
    {{- message.content|trim -}}
  {%- endif -%}
{%- endfor -%})";

// A system message first of all takes the place of the usual preamble.
constexpr std::string_view kVicuna =
    R"({%- set preamble = "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions." -%}
{%- for message in messages -%}
  {%- if loop.first -%}
    {{- (message.content if message.role == 'system' else preamble) ~ ' ' -}}
  {%- endif -%}
  {%- if message.role == 'user' -%}
    {{- 'USER: ' ~ message.content ~ ' ' -}}
  {%- elif message.role == 'assistant' -%}
    {{- 'ASSISTANT: ' ~ message.content ~ '</s>' -}}
  {%- elif not (message.role == 'system' and loop.first) -%}
    {{- raise_exception('vicuna has no place for a message of role ' ~ message.role ~ ' here') -}}
  {%- endif -%}
{%- else -%}
  {{- preamble ~ ' ' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- 'ASSISTANT:' -}}
{%- endif -%})";

constexpr BuiltInTemplate kTemplates[] = {
    {"mistral-inst", kMistral, false}, {"vicuna", kVicuna, true},        {"qwen", kQwen, false},
    {"minicpm", kMiniCpm, true},       {"llama-3-inst", kLlama3, false},
};

}  // namespace

Result<const BuiltInTemplate*> FindBuiltInTemplate(std::string_view name) {
  for (const BuiltInTemplate& t : kTemplates) {
    if (t.name == name) return &t;
  }
  return InvalidArgument(fmt::format("conv_type \"{}\" is unknown{}", name.substr(0, 64),
                                     Suggestion(name, BuiltInTemplateNames())));
}

std::vector<std::string_view> BuiltInTemplateNames() {
  std::vector<std::string_view> names;
  for (const BuiltInTemplate& t : kTemplates) names.push_back(t.name);
  return names;
}

}  // namespace quarry
