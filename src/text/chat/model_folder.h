// Finds the chat templates in the folder of a published model.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "quarry/status.h"

namespace quarry {

struct ModelFolderTemplates {
  struct Named {
    std::string name;  // "default" if it has no name
    std::string source;
    std::string where;  // for messages: the file and what in it
  };
  std::vector<Named> templates;     // not empty; names are unique
  std::string special_tokens_json;  // an object: "bos_token": "<s>", ...
};

// Where it looks: see ChatTemplate::FromModelFolder.
Result<ModelFolderTemplates> ReadModelFolderTemplates(const std::filesystem::path& folder);

}  // namespace quarry
