# quarry_options: warnings, sanitizers and other flags that Quarry's own targets compile with.
add_library(quarry_options INTERFACE)
target_compile_options(quarry_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wundef -Wvla
  # libstdc++ 12 trips both of these in its own headers at -O2.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-restrict>)
if(QUARRY_WERROR)
  target_compile_options(quarry_options INTERFACE -Werror)
endif()
if(QUARRY_DCHECKS)
  target_compile_definitions(quarry_options INTERFACE QUARRY_DCHECKS)
endif()
if(QUARRY_SANITIZE)
  target_compile_options(quarry_options INTERFACE
    -fsanitize=${QUARRY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(quarry_options INTERFACE -fsanitize=${QUARRY_SANITIZE})
endif()
