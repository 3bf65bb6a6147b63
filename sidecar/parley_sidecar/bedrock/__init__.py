"""Amazon Bedrock's wire: requests, replies and event streams, and the credentials and signatures of AWS.

`providers.aws_bedrock` puts the pieces together. The only folder that knows botocore.
"""
