// A model's configuration as GGUF metadata: the reverse of format/gguf_config.h.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "quarry/status.h"

#include "format/gguf_write.h"
#include "format/hf_config.h"

namespace quarry {

// General keys and the architecture's. Unsupported for what the format cannot say; what a file made
// of it leaves out goes to `notes`.
Status WriteGgufMetadata(const HfConfig& config, WeightType type, GgufBuilder& out,
                         std::vector<std::string>& notes);

// The ids of begin, end and padding tokens, of config.json and generation_config.json in `folder`,
// that the tokenizer has not written yet. own_eos: the end token that it has.
void WriteEndTokens(const std::filesystem::path& folder, const HfConfig& config,
                    std::optional<TokenId> own_eos, GgufBuilder& out);

// What frequencies are divided by, [rotated_dims / 2], for llama3 scaling; empty for others.
std::vector<double> GgufRopeFactors(const RopeSpec& rope);

}  // namespace quarry
