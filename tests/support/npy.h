// Reads .npy files (version 1.0, C order, little endian) of f32 and i32.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace quarry {

struct NpyArray {
  std::vector<int64_t> shape;
  std::vector<float> f32;  // one of these holds the data
  std::vector<int32_t> i32;

  int64_t size() const {
    int64_t n = 1;
    for (int64_t s : shape) n *= s;
    return n;
  }
};

// Throws std::runtime_error naming the file.
NpyArray ReadNpy(const std::filesystem::path& path);

}  // namespace quarry
