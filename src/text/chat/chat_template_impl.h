// What a ChatTemplate holds.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "quarry/chat.h"

#include "text/jinja/template.h"

namespace quarry {

struct ChatTemplate::Impl {
  std::vector<std::pair<std::string, jinja::Template>> templates;  // not empty; names are unique
  std::string special_tokens_json;                                 // an object
  bool leaves_bos_to_tokenizer = false;
};

}  // namespace quarry
