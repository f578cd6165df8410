// The chat templates that Quarry brings along, by the conv_type names of InfLLM and Q-LLM.
#pragma once

#include <string_view>
#include <vector>

#include "quarry/status.h"

namespace quarry {

struct BuiltInTemplate {
  std::string_view name;
  std::string_view source;
  bool leaves_bos_to_tokenizer;
};

// kInvalidArgument, naming the nearest, if there is none of that name.
Result<const BuiltInTemplate*> FindBuiltInTemplate(std::string_view name);

std::vector<std::string_view> BuiltInTemplateNames();

}  // namespace quarry
