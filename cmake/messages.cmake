# Messages in other languages: BUILD/locale/LANGUAGE/LC_MESSAGES/snug.mo, where the program looks
# when it runs from its build folder. Without msgfmt everything works, in English.
find_program(MSGFMT msgfmt)
set(SNUG_MESSAGES "")
file(GLOB SNUG_CATALOGUES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/po/*.po)
if(MSGFMT AND SNUG_CATALOGUES)
  set(SNUG_MESSAGES ${PROJECT_BINARY_DIR}/locale)
  set(outputs "")
  foreach(catalogue ${SNUG_CATALOGUES})
    get_filename_component(language ${catalogue} NAME_WE)
    set(output ${SNUG_MESSAGES}/${language}/LC_MESSAGES/snug.mo)
    file(MAKE_DIRECTORY ${SNUG_MESSAGES}/${language}/LC_MESSAGES)
    add_custom_command(OUTPUT ${output}
      COMMAND ${MSGFMT} --no-hash --endianness=little -o ${output} ${catalogue}
      DEPENDS ${catalogue} VERBATIM)
    list(APPEND outputs ${output})
  endforeach()
  add_custom_target(snug_messages ALL DEPENDS ${outputs})
elseif(SNUG_CATALOGUES)
  message(STATUS "msgfmt is not there (Debian package gettext): messages are in English only")
endif()
