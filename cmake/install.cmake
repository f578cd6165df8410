# cmake --install: the library with its headers and CMake package, and the command.
include(CMakePackageConfigHelpers)

set(_package ${CMAKE_INSTALL_LIBDIR}/cmake/quarry)
install(TARGETS quarry EXPORT quarryTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/quarry DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT quarryTargets NAMESPACE quarry:: DESTINATION ${_package})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/quarryConfig.cmake.in
  ${PROJECT_BINARY_DIR}/quarryConfig.cmake INSTALL_DESTINATION ${_package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/quarryConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/quarryConfig.cmake
  ${PROJECT_BINARY_DIR}/quarryConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/FindOneDNN.cmake
  ${PROJECT_SOURCE_DIR}/cmake/FindPCRE2.cmake
  ${PROJECT_SOURCE_DIR}/cmake/FindUtf8proc.cmake
  DESTINATION ${_package})
if(QUARRY_BUILD_CLI)
  install(TARGETS quarry_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  # The text in which quarry eval hides its needles.
  install(FILES ${PROJECT_SOURCE_DIR}/data/pride_and_prejudice.txt
    DESTINATION ${CMAKE_INSTALL_DATADIR}/quarry)
endif()
