"""The study `escape-times`: model processes of the noise that leave a well."""
