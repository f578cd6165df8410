// The stages of reading a run configuration; quarry/config.h has the whole.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/config.h"

#include "format/yaml.h"

namespace quarry {

// Keys of the top level and of the model map, read or merely known.
std::span<const std::string_view> RunConfigKeys();
std::span<const std::string_view> ModelKeys();

bool Contains(std::span<const std::string_view> names, std::string_view name);

// An error unless `key` is among `known`: "unknown key \"tokp\" in model, did you mean \"topk\"?".
// `where` is the map it stands in, empty for the top level.
Status CheckKnownKey(const YamlEntry& entry, std::string_view file, std::string_view where,
                     std::span<const std::string_view> known);

// Sets what each "a.b=c" says in `root`.
Status ApplyOverrides(std::span<const std::string> overrides, YamlNode& root);

// The method that `type` names, with its parameters. Failures go to the reader. Parameters that
// have no effect are noted.
AttentionConfig ReadAttention(YamlReader& model, std::vector<std::string>& notes);

// The methods of all phases and layers: model.type's, and what the `attention` section (null: there
// is none) says. Failures go to `error`, remarks to config.notes.
AttentionSetup ReadAttentionSetup(const YamlEntry* section, YamlReader& model,
                                  const YamlNode& model_map, std::string_view file, Status& error,
                                  RunConfig& config);

}  // namespace quarry
