// A model's files: its configuration, its tensors, and which of them make up the decoder. A folder
// with config.json and safetensors, or a GGUF file; nothing after this tells them apart.
#pragma once

#include <filesystem>
#include <memory>

#include "quarry/status.h"

#include "format/hf_config.h"
#include "format/weight_view.h"
#include "model/families/families.h"

namespace quarry {

struct ModelFiles {
  HfConfig config;
  ModelNames names;
  std::shared_ptr<const TensorSource> tensors;
};

// `path`: such a folder, or a file whose name ends in .gguf.
Result<ModelFiles> OpenModelFiles(const std::filesystem::path& path);

}  // namespace quarry
