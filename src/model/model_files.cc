#include "model/model_files.h"

#include <utility>

#include <fmt/format.h>

#include "format/gguf.h"
#include "format/gguf_config.h"
#include "format/safetensors.h"

namespace quarry {
namespace {

class CheckpointSource final : public TensorSource {
 public:
  explicit CheckpointSource(Checkpoint checkpoint) : checkpoint_(std::move(checkpoint)) {}

  const std::vector<std::string>& names() const override { return checkpoint_.names(); }
  bool Contains(std::string_view tensor) const override { return checkpoint_.Contains(tensor); }
  Result<WeightView> Find(std::string_view tensor) const override {
    const Result<TensorView> view = checkpoint_.Find(tensor);
    if (!view.ok()) return view.status();
    return WeightView{WeightTypeOf(view->dtype), view->shape, view->data};
  }
  void ReleasePages() const override { checkpoint_.ReleasePages(); }

 private:
  Checkpoint checkpoint_;
};

Result<ModelFiles> OpenGguf(const std::filesystem::path& path) {
  Result<GgufModel> model = GgufModel::Open(path);
  if (!model.ok()) return model.status();
  Result<HfConfig> config = ReadGgufConfig(*model);
  if (!config.ok()) return config.status();
  ModelFiles files;
  files.names = GgufNames(*config, [&](std::string_view name) { return model->Contains(name); });
  files.config = std::move(*config);
  files.tensors = std::make_shared<GgufModel>(std::move(*model));
  return files;
}

}  // namespace

Result<ModelFiles> OpenModelFiles(const std::filesystem::path& path) {
  if (IsGgufPath(path)) return OpenGguf(path);
  if (std::error_code error; std::filesystem::is_regular_file(path, error)) {
    return InvalidArgument(fmt::format(
        "{}: is no model, must be a folder with config.json and safetensors or a GGUF file",
        path.string()));
  }
  Result<HfConfig> config = LoadHfConfig(path);
  if (!config.ok()) return config.status();
  Result<Checkpoint> checkpoint = Checkpoint::Open(path);
  if (!checkpoint.ok()) return checkpoint.status();
  ModelFiles files;
  files.names = NamesOf(*config);
  files.config = std::move(*config);
  files.tensors = std::make_shared<CheckpointSource>(std::move(*checkpoint));
  return files;
}

}  // namespace quarry
