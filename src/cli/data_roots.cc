#include "cli/data_roots.h"

#include <system_error>

namespace quarry::cli {

std::vector<std::filesystem::path> DataRoots(const std::string& model) {
  std::vector<std::filesystem::path> roots;
  const auto add_parents = [&](std::filesystem::path path, int levels) {
    for (int i = 0; i < levels && !path.empty(); ++i) {
      path = path.parent_path();
      roots.push_back(path);
    }
  };
  std::error_code error;
  const auto folder = std::filesystem::weakly_canonical(model, error);
  if (!error) add_parents(folder, 2);
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) add_parents(program, 4);
  roots.push_back(std::filesystem::current_path(error));
  return roots;
}

}  // namespace quarry::cli
